import { setTimeout as delay } from 'node:timers/promises';
import type { NamedObjects, ObjectStore } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import type { GatewayConfig } from '../gateway-config.js';
import { requestErrorOf } from '../http/reply.js';
import { invalid, RequestError } from '../http/request-error.js';
import type { BodyReader } from '../oip/body-reader.js';
import type { InferRequest } from '../oip/oip-request.js';
import { element } from '../oip/oip-response.js';
import type { ServingPlan } from '../plans/serving-plan.js';
import type { PredictionAnswer, Predictor } from '../prediction/predictor.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { chooseVersion } from '../routing/routing-table.js';
import { ofRow } from '../streams/request-rows.js';
import type { JobFolder } from './job-folder.js';
import type { JobOutput, JobRecord } from './job-record.js';
import type { KeptInput, Slice } from './job-rows.js';
import { countRows, slicesOf } from './job-rows.js';

export type RunnerDeps = {
  readonly predictor: Predictor;
  readonly tables: RoutingTable;
  readonly objects: ObjectStore;
  /** Where inputs by a location are; null where there is no such place. */
  readonly named: NamedObjects | null;
  readonly folder: JobFolder;
  /** Reads inputs of JSON that are large. */
  readonly reader: BodyReader;
  readonly config: Pick<
    GatewayConfig,
    'jobSliceRows' | 'maxJobLineBytes' | 'maxJobInputBytes' | 'maxJobRows' | 'maxJsonDepth' | 'maxBodyBytes'
  >;
};

/** Behind everything that somebody waits for: live requests have 100 unless they say otherwise. */
const jobPriority = 1_000;
const firstWaitMs = 100;
const longestWaitMs = 5_000;
/** A model that is not known stays away this often in a row before the job is given up. */
const mostUnknown = 20;
/** Longest rest after a slice. */
const longestRestMs = 50;

/**
 * Works on one job until it is done or `ended` is aborted, in slices between live requests: at most half of the time. What
 * passes by itself (a model that loads, too many requests) is waited for; a row that cannot be answered has its error in
 * the results. Answers the record as far as it came; throws a `RequestError` for a job that cannot be done at all.
 */
export async function runJob(
  deps: RunnerDeps,
  record: JobRecord,
  of: { readonly ended: AbortSignal; readonly progress: (record: JobRecord) => void },
): Promise<JobRecord> {
  const { folder, config } = deps;
  const limits = { sliceRows: config.jobSliceRows, maxLineBytes: config.maxJobLineBytes, maxJsonDepth: config.maxJsonDepth };
  const path = folder.inputPath(record.id);
  await fetchInput(deps, record, of.ended);
  const plan = await patient(of.ended, () => planOf(deps.tables, record));
  const kept: KeptInput = { path, input: record.input, plan, reader: deps.reader };
  const rows = record.rows ?? (await countRows(kept, limits));
  if (rows === 0) throw invalid('the input has no rows: at least one is expected');
  if (rows > config.maxJobRows) throw invalid(`the input has ${rows} rows: at most ${config.maxJobRows} are taken in one job`);
  const written = await folder.resume(record.id, config.jobSliceRows);
  let at: JobRecord = { ...record, rows, ...written };
  of.progress(at);
  for await (const slice of slicesOf(kept, { ...limits, from: written.done })) {
    of.ended.throwIfAborted();
    const startedMs = performance.now();
    const { lines, failed, outputs } = await answerSlice(deps, { record, slice, ended: of.ended });
    if (at.outputs.length === 0 && outputs.length > 0) {
      // Kept before the lines are: when all are there, none is answered again that would tell.
      at = { ...at, outputs };
      await folder.save(at);
    }
    await folder.append(record.id, lines.join(''));
    at = { ...at, done: at.done + slice.rows, failed: at.failed + failed };
    of.progress(at);
    await delay(Math.min(longestRestMs, performance.now() - startedMs), undefined, { signal: of.ended });
  }
  return at;
}

/** Brings the input here, unless it came with the call or was fetched before. */
async function fetchInput(deps: RunnerDeps, { id, source, input }: JobRecord, ended: AbortSignal): Promise<void> {
  const { folder, objects, named, config } = deps;
  // One JSON text is read whole.
  const maxBytes = input.kind === 'json' ? Math.min(config.maxJobInputBytes, config.maxBodyBytes) : config.maxJobInputBytes;
  if (source === null || (await folder.inputBytes(id)) !== null) return;
  const path = folder.inputPath(id);
  await patient(ended, async () => {
    if (source.startsWith('sha256:')) await objects.getFile(source, path);
    else if (named === null) throw invalid(`the input ${source} cannot be fetched: this gateway has no place for asynchronous invocations`);
    else await named.getFile(source, path, maxBytes);
  });
  const bytes = (await folder.inputBytes(id)) ?? 0;
  if (bytes > maxBytes) throw invalid(`the input has ${bytes} bytes: at most ${maxBytes} are taken`);
}

function planOf(tables: RoutingTable, { model, version }: JobRecord): ServingPlan {
  return chooseVersion(tables.need(model), { version, key: null }).plan;
}

type SliceResult = { readonly lines: readonly string[]; readonly failed: number; readonly outputs: readonly JobOutput[] };

/** Predicts the rows of a slice together, and each alone when that fails. */
async function answerSlice(deps: RunnerDeps, of: { record: JobRecord; slice: Slice; ended: AbortSignal }): Promise<SliceResult> {
  const { record, slice, ended } = of;
  const predict = (id: string, read: (plan: ServingPlan) => InferRequest): Promise<PredictionAnswer> =>
    patient(ended, () =>
      deps.predictor.predict({
        model: record.model,
        version: record.version,
        key: null,
        arrivedMs: performance.now(),
        priority: jobPriority,
        cancel: ended,
        // The same rows get the same ids when a slice is done again after a restart.
        read: (plan) => {
          const request = read(plan);
          return { ...request, outputs: null, parameters: { ...request.parameters, prediction_id: id } };
        },
      }),
    );
  const line = (row: number, answer: PredictionAnswer, at: number): string =>
    `{"row":${row},"id":${JSON.stringify(answer.ids[at])},"version":${JSON.stringify(answer.version.version)},"variant":"${answer.variant}","outputs":${rowText(answer, at)}}\n`;
  try {
    const answer = await predict(`${record.id}-${slice.from}`, (plan) => slice.whole(plan));
    const lines = answer.ids.map((_, at) => line(slice.from + at, answer, at));
    return { lines, failed: 0, outputs: outputsOf(answer) };
  } catch (error) {
    ended.throwIfAborted();
    if (slice.rows === 1) return { lines: [failure(slice.from, requestErrorOf(error))], failed: 1, outputs: [] };
  }
  const lines: string[] = [];
  let failed = 0;
  let outputs: readonly JobOutput[] = [];
  for (let at = 0; at < slice.rows; at++) {
    const row = slice.from + at;
    try {
      const answer = await predict(`${record.id}-${row}`, (plan) => slice.one(plan, at));
      lines.push(line(row, answer, 0));
      outputs = outputsOf(answer);
    } catch (error) {
      ended.throwIfAborted();
      failed++;
      lines.push(failure(row, requestErrorOf(error)));
    }
  }
  return { lines, failed, outputs };
}

function failure(row: number, error: RequestError): string {
  return `{"row":${row},"error":${JSON.stringify(ofRow(error.message, row))},"kind":"${error.kind}"}\n`;
}

/** The outputs of one row as a JSON object: a value each, or a list where an output has more than one a row. */
function rowText({ predicted, ids }: PredictionAnswer, row: number): string {
  const outputs = predicted.outputs.map(({ name, datatype, data }) => {
    const width = data.length / ids.length;
    const values = Array.from({ length: width }, (_, i) => element(data[row * width + i]!, datatype));
    return `${JSON.stringify(name)}:${width === 1 ? values[0]! : `[${values.join(',')}]`}`;
  });
  return `{${outputs.join(',')}}`;
}

function outputsOf({ predicted }: PredictionAnswer): JobOutput[] {
  return predicted.outputs.map(({ name, datatype, shape }) => ({ name, datatype, inner: shape.slice(1) }));
}

/** Tries until it is neither too early nor too much; throws what will not pass by itself, or that `ended` was aborted. */
async function patient<T>(ended: AbortSignal, work: () => T | Promise<T>): Promise<T> {
  let unknown = 0;
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(longestWaitMs, waitMs * 2)) {
    ended.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      ended.throwIfAborted();
      if (!passes(error) && !(isUnknown(error) && ++unknown < mostUnknown)) throw error;
      await delay(waitMs, undefined, { signal: ended });
    }
  }
}

function passes(error: unknown): boolean {
  if (error instanceof PerennialError) return error.type === 'Unavailable';
  return error instanceof RequestError && error.passes;
}

function isUnknown(error: unknown): boolean {
  return error instanceof RequestError && error.kind === 'notFound';
}
