import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Endpoint } from '../http/endpoint.js';
import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import { invalid, RequestError } from '../http/request-error.js';
import type { BodyReader } from '../oip/body-reader.js';
import { ownTurn } from '../own-turn.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { mediaFormat } from '../sagemaker/request-body.js';
import type { Siblings } from '../siblings/siblings.js';
import type { JobQueue } from './job-queue.js';
import type { JobRecord } from './job-record.js';
import type { SubmissionHead } from './submission.js';
import { readSubmission } from './submission.js';

export type JobDeps = {
  readonly queue: JobQueue;
  readonly tables: RoutingTable;
  /** The other processes that take jobs under the same address; null for none. */
  readonly siblings: Siblings | null;
  readonly reader: BodyReader;
  readonly maxJsonDepth: number;
};
type SubmitCall = {
  readonly model: string;
  readonly version: string | null;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
};

const allowedId = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * `POST /v2/models/{m}[/versions/{v}]/jobs`: takes rows in the body (JSON as for `infer` or `{"instances":[…]}`, JSON lines,
 * CSV), or `{"input":{"digest":"sha256:…","format":"jsonLines"|"csv"|"json"}}`. The id is the header `Idempotency-Key` or
 * the body's `id`: the same one with the same body is the same job.
 */
async function submitJob(deps: JobDeps, call: SubmitCall): Promise<Reply> {
  const { queue, tables, siblings } = deps;
  const { model, version, headers, body } = call;
  const table = tables.need(model);
  if (version !== null && !table.versions.has(version))
    throw new RequestError('notFound', `Request for unknown model: '${model}' version '${version}' is not loaded`);
  const head = await headOf(deps, body, headers['content-type'] ?? 'application/json');
  const { id, input, source } = head;
  const wanted = headers['idempotency-key'] ?? id;
  if (wanted !== null && (typeof wanted !== 'string' || !allowedId.test(wanted)))
    throw invalid('the job id must be 1 to 64 letters, digits, or any of . _ -, the first a letter or digit');
  const submitted = await digestOf(body);
  if (siblings !== null && wanted !== null && queue.find(wanted) === undefined) {
    const elsewhere = await foundElsewhere(siblings, wanted);
    if (elsewhere !== null && elsewhere['submitted'] !== submitted)
      throw new RequestError('conflict', `there is another job ${wanted}: choose another id, or delete that one first`);
    if (elsewhere !== null) return { ...json(200, elsewhere), headers: { Location: `/v2/jobs/${wanted}` } };
  }
  const { job, isNew } = await queue.submit({
    model,
    version,
    id: wanted,
    submitted,
    delivery: null,
    input,
    source,
    body: source === null ? body : null,
  });
  return { ...json(isNew ? 202 : 200, told(job)), headers: { Location: `/v2/jobs/${job.id}` } };
}

/** A job that another process has taken, as it tells it. */
async function foundElsewhere(siblings: Siblings, id: string): Promise<Record<string, unknown> | null> {
  const answers = await siblings.ask({ method: 'GET', path: `/v2/jobs/${id}`, body: '' });
  const found = answers.find(({ status }) => status === 200);
  return found === undefined ? null : (JSON.parse(found.body) as Record<string, unknown>);
}

/** What the job endpoints of an HTTP request ask. */
export type JobEndpoint = Extract<Endpoint, { kind: 'submitJob' | 'job' | 'jobResult' | 'deleteJob' }>;

/** Answers the endpoints of long jobs. */
export async function answerJobs(
  deps: JobDeps,
  endpoint: JobEndpoint,
  call: { readonly headers: IncomingHttpHeaders; readonly body: () => Promise<Buffer> },
): Promise<Reply> {
  switch (endpoint.kind) {
    case 'submitJob':
      return submitJob(deps, { ...endpoint, headers: call.headers, body: await call.body() });
    case 'job':
      return jobStatus(deps.queue, endpoint.job);
    case 'jobResult':
      return jobResult(deps.queue, endpoint.job);
    case 'deleteJob':
      return deleteJob(deps.queue, endpoint.job);
  }
}

/** `GET /v2/jobs/{id}`. */
function jobStatus(queue: JobQueue, id: string): Reply {
  return json(200, told(queue.need(id)));
}

/** `GET /v2/jobs/{id}/result`: JSON lines, one a row. */
function jobResult(queue: JobQueue, id: string): Reply {
  const results = queue.results(id);
  return {
    status: 200,
    contentType: 'application/x-ndjson',
    headers: { 'x-perennial-job-state': queue.need(id).state },
    body: '',
    stream: () => results,
  };
}

/** `DELETE /v2/jobs/{id}`: cancels a job, or removes one that has ended. */
async function deleteJob(queue: JobQueue, id: string): Promise<Reply> {
  return json(200, told(await queue.remove(id)));
}

function told(job: JobRecord): Record<string, unknown> {
  const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
  return {
    id: job.id,
    model: job.model,
    version: job.version,
    state: job.state,
    ...(job.reason === null ? {} : { error: job.reason }),
    progress: { rows: job.rows, done: job.done, failed: job.failed },
    submitted: job.submitted,
    submitted_at: iso(job.submittedMs),
    started_at: iso(job.startedMs),
    ended_at: iso(job.endedMs),
  };
}

function headOf({ reader, maxJsonDepth }: JobDeps, body: Buffer, contentType: string): SubmissionHead | Promise<SubmissionHead> {
  const format = mediaFormat(contentType);
  switch (format) {
    case 'csv':
    case 'jsonLines':
      return { id: null, input: { kind: format }, source: null };
    case 'json':
      return reader.isLarge(body.length) ? reader.ask('submission', { body }) : readSubmission(body, maxJsonDepth);
    case 'binary':
    case 'npy':
    case null:
      throw new RequestError(
        'unsupported',
        `Content-Type ${contentType.slice(0, 100)} is not taken: application/json, application/jsonlines and text/csv are`,
      );
  }
}

const digestedAtOnce = 1024 * 1024;

/** The digest of a body; others have their turn while that of a large one is made. */
async function digestOf(body: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for (let from = 0; from < body.length; from += digestedAtOnce) {
    if (from > 0) await ownTurn();
    hash.update(body.subarray(from, from + digestedAtOnce));
  }
  return `sha256:${hash.digest('hex')}`;
}
