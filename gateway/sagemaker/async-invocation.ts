import { createHash, randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { NamedObjects } from '../../activities/ports.js';
import { json } from '../http/reply.js';
import type { Reply } from '../http/reply.js';
import { invalid, RequestError } from '../http/request-error.js';
import type { JobQueue } from '../jobs/job-queue.js';
import type { JobDelivery, JobInput } from '../jobs/job-record.js';
import { asyncHeaders } from './invocation-headers.js';
import { mediaFormat } from './request-body.js';
import type { InvocationCall, InvocationDeps } from './sagemaker-endpoint.js';
import { commonHeaders, openInvocation } from './sagemaker-endpoint.js';

export type AsyncDeps = Pick<InvocationDeps, 'tables' | 'sessions'> & { readonly queue: JobQueue; readonly named: NamedObjects | null };

const allowedId = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** As SageMaker has them. */
const defaultTtlSeconds = 21_600;
const defaultTimeoutSeconds = 900;
const maxSeconds = { ttl: 21_600, timeout: 3_600 };
const maxInlineBytes = 128_000;

/**
 * `POST /endpoints/{name}/async-invocations`, `InvokeEndpointAsync`: the input is at `InputLocation` (below the gateway's own
 * place, or the digest of an object) or in the body; the result, or the failure, is put where the answer says.
 */
export async function invokeAsync(deps: AsyncDeps, call: Pick<InvocationCall, 'model' | 'headers' | 'body'>): Promise<Reply> {
  const { tables, queue, named } = deps;
  const { headers, body } = call;
  const opened = openInvocation(deps, call, asyncHeaders);
  const { invocation, target } = opened;
  if (named === null)
    throw new RequestError('notImplemented', 'this gateway has no place for asynchronous invocations: set PERENNIAL_ASYNC');
  tables.need(target.model);
  const source = text(headers, 'inputlocation');
  if ((source === null) === (body.length === 0)) throw invalid('exactly one of InputLocation and Body is expected');
  if (body.length > maxInlineBytes)
    throw invalid(`the body has ${body.length} bytes: at most ${maxInlineBytes} are taken; bring it to InputLocation`);
  const input = inputOf(invocation.contentType);
  const id = invocation.inferenceId ?? randomUUID();
  if (!allowedId.test(id)) throw invalid('InferenceId must be 1 to 64 letters, digits, or any of . _ -, the first a letter or digit');
  const nowMs = Date.now();
  const delivery: JobDelivery = {
    format: deliveryFormat(input, invocation.accept),
    output: outputName(headers, { endpoint: call.model, id }),
    failure: `${call.model}/failures/${id}-error.out`,
    beginByMs: nowMs + 1000 * seconds(headers, { name: 'requestttlseconds', fallback: defaultTtlSeconds, most: maxSeconds.ttl }),
    limitMs: 1000 * seconds(headers, { name: 'invocationtimeoutseconds', fallback: defaultTimeoutSeconds, most: maxSeconds.timeout }),
  };
  const submitted = `sha256:${createHash('sha256')
    .update(JSON.stringify([source, input, delivery.format, delivery.output]))
    .update(body)
    .digest('hex')}`;
  await queue.submit({ ...target, id, input, source, submitted, body: source === null ? body : null, delivery });
  return {
    ...json(202, { InferenceId: id }),
    headers: {
      ...commonHeaders(opened),
      'X-Amzn-SageMaker-OutputLocation': named.location(delivery.output),
      'X-Amzn-SageMaker-FailureLocation': named.location(delivery.failure),
    },
  };
}

function inputOf(contentType: string): JobInput {
  const format = mediaFormat(contentType);
  if (format === 'json' || format === 'csv' || format === 'jsonLines') return { kind: format };
  throw new RequestError(
    'unsupported',
    `Content-Type ${contentType} is not taken: application/json, application/jsonlines and text/csv are`,
  );
}

/** The form of the results: that of the input unless another one is accepted. */
function deliveryFormat(input: JobInput, accept: string | null): JobDelivery['format'] {
  const format = accept === null ? input.kind : mediaFormat(accept);
  if (format === 'csv' || format === 'jsonLines') return format;
  if (format === 'json') return input.kind === 'json' ? 'oip' : 'instances';
  throw new RequestError('unsupported', `Accept ${accept} cannot be given: application/json, application/jsonlines and text/csv can`);
}

/** A name below the gateway's place; a caller may choose its last parts. */
function outputName(headers: IncomingHttpHeaders, of: { endpoint: string; id: string }): string {
  const extension = text(headers, 's3outputpathextension')?.replace(/^\/+|\/+$/g, '');
  const file = text(headers, 'filename') ?? `${of.id}.out`;
  const parts = [...(extension === undefined || extension === '' ? [] : extension.split('/')), file];
  for (const part of parts) {
    if (!/^[A-Za-z0-9!_.*'()-]{1,128}$/.test(part) || part === '.' || part === '..')
      throw invalid(`${JSON.stringify(part.slice(0, 128))} is no part of a name: 1 to 128 letters, digits and any of ! _ . * ' ( ) - are`);
  }
  return [of.endpoint, ...parts].join('/');
}

function seconds(headers: IncomingHttpHeaders, of: { name: string; fallback: number; most: number }): number {
  const given = text(headers, of.name);
  if (given === null) return of.fallback;
  const value = Number(given);
  if (!Number.isInteger(value) || value < 1 || value > of.most)
    throw invalid(`header ${of.name} is ${given.slice(0, 50)}: 1 to ${of.most} is expected`);
  return value;
}

function text(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[`x-amzn-sagemaker-${name}`];
  if (value === undefined || value === '') return null;
  const whole = String(value);
  if (whole.length > 1_024) throw invalid(`header ${name} has ${whole.length} characters: at most 1024 are taken`);
  return whole;
}
