import { parseJsonBody } from '../http/json-body.js';
import { invalid } from '../http/request-error.js';
import { isObject, kindOf, readInferRequest } from '../oip/oip-request.js';
import type { JobInput } from './job-record.js';

/** What a body in JSON says of a job: where its rows are, null for the body itself, and the id that it wants. */
export type SubmissionHead = { readonly id: unknown; readonly input: JobInput; readonly source: string | null };

const allowedDigest = /^sha256:[0-9a-f]{64}$/;

/** Reads a body in JSON, and checks its form. Throws a `RequestError`. */
export function readSubmission(body: Uint8Array, maxJsonDepth: number): SubmissionHead {
  const value = parseJsonBody(body, maxJsonDepth);
  if (!isObject(value)) throw invalid(`the request is ${kindOf(value)}: a JSON object with "inputs", "instances" or "input" is expected`);
  const id = value['id'] ?? null;
  if (value['input'] !== undefined) return { id, ...readReference(value['input']) };
  if (!Array.isArray(value['instances'])) readInferRequest(value);
  return { id, input: { kind: 'json' }, source: null };
}

const formats: Readonly<Record<string, JobInput['kind']>> = { jsonLines: 'jsonLines', csv: 'csv', json: 'json' };

function readReference(input: unknown): { input: JobInput; source: string } {
  if (!isObject(input)) throw invalid(`input is ${kindOf(input)}: an object with "digest" and "format" is expected`);
  const { digest, format } = input;
  if (typeof digest !== 'string' || !allowedDigest.test(digest))
    throw invalid('input.digest is no digest of an object: "sha256:" and 64 hexadecimal digits are expected');
  const kind = typeof format === 'string' && Object.hasOwn(formats, format) ? formats[format] : undefined;
  if (kind === undefined) throw invalid(`input.format is not known: ${Object.keys(formats).join(', ')} are`);
  return { input: { kind }, source: digest };
}
