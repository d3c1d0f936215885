import { parseJsonText, textOf } from '../http/json-body.js';
import { invalid } from '../http/request-error.js';
import type { Signature } from '../plans/serving-plan.js';
import { exactInputs } from './exact-integers.js';
import type { InferRequest } from './oip-request.js';
import { quote, readInferRequest } from './oip-request.js';
import { readQuickly } from './quick-request.js';
import { rawRequest } from './raw-request.js';

/** An inference body as it was received. `headLength` is the header `Inference-Header-Content-Length`. */
export type InferBody = { readonly body: Buffer; readonly headLength: string | string[] | undefined };

/** The request in a body: known at once, or (raw bytes without a head) once the version that answers is. */
export type ReadBody =
  { readonly kind: 'request'; readonly request: InferRequest } | { readonly kind: 'raw'; readonly read: (plan: Signature) => InferRequest };

/**
 * Reads a body of the Open Inference Protocol: JSON, a JSON head with binary tensors after it, or (a head of length 0) the
 * bytes of the one input. Throws a `RequestError` that names the place.
 */
export function readInferBody({ body, headLength }: InferBody, maxJsonDepth: number): ReadBody {
  if (headLength === undefined) {
    const quick = readQuickly(body);
    if (quick !== null) return { kind: 'request', request: quick };
    const text = textOf(body);
    return { kind: 'request', request: readInferRequest(parseJsonText(text, maxJsonDepth), { text }) };
  }
  const length = headLengthOf(headLength, body.length);
  if (length === 0) return { kind: 'raw', read: (plan) => rawRequest(body, plan) };
  const text = textOf(body.subarray(0, length));
  return { kind: 'request', request: readInferRequest(parseJsonText(text, maxJsonDepth), { text, tail: body.subarray(length) }) };
}

/**
 * A request in JSON alone whose rows are answered one by one, as text: its 64-bit integers are exact. Throws a `RequestError`
 * that names the place, also for outputs that are asked for as binary data.
 */
export function readRowsRequest(body: Buffer, maxJsonDepth: number): InferRequest {
  const text = textOf(body);
  return asRowsRequest(readInferRequest(parseJsonText(text, maxJsonDepth), { text }));
}

/** A request that was read, for its rows to be answered one by one, as text. Throws a `RequestError`. */
export function asRowsRequest(request: InferRequest): InferRequest {
  const binary = request.outputs?.find((output) => output.binary === true);
  if (binary !== undefined || request.parameters['binary_data_output'] === true)
    throw invalid(
      `${binary === undefined ? 'parameters.binary_data_output' : `output ${quote(binary.name)}: binary_data`} is not for streams, whose answers are text: ask infer for binary data`,
    );
  return exactInputs(request);
}

/** Bytes of the JSON head that a header announces. Throws a `RequestError` when it is no number, or more than the body has. */
export function headLengthOf(header: string | string[], bodyLength: number): number {
  const text = String(header);
  if (!/^\d{1,15}$/.test(text))
    throw invalid(`Inference-Header-Content-Length is ${JSON.stringify(text.slice(0, 50))}: a whole number of bytes is expected`);
  const length = Number(text);
  if (length > bodyLength) throw invalid(`Inference-Header-Content-Length is ${length}: the body has only ${bodyLength} bytes`);
  return length;
}
