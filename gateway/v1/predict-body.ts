import { parseJsonText, textOf } from '../http/json-body.js';
import { invalid } from '../http/request-error.js';
import { readExactly } from '../oip/exact-integers.js';
import { fromInstances } from '../oip/instances.js';
import type { InferRequest } from '../oip/oip-request.js';
import { isObject, kindOf } from '../oip/oip-request.js';
import type { Signature } from '../plans/serving-plan.js';
import { fromColumns, withBase64 } from './columns.js';

/** Rows in `instances` are answered with `predictions`, columns in `inputs` with `outputs`. */
export type PredictFormat = 'rows' | 'columns';

/** A body that was read as far as that goes without a model's signature. */
export type PredictBody = { readonly format: PredictFormat; read(plan: Signature): InferRequest };

/** Reads a body of TensorFlow Serving's `predict`. Throws a `RequestError`. */
export function readPredictBody(bytes: Uint8Array, maxJsonDepth: number): PredictBody {
  const text = textOf(bytes);
  const body = parseJsonText(text, maxJsonDepth);
  if (!isObject(body)) throw invalid(`the request is ${kindOf(body)}: a JSON object with "instances" or "inputs" is expected`);
  const byRow = body['instances'] !== undefined;
  if (byRow === (body['inputs'] !== undefined))
    throw invalid(
      `the request has ${byRow ? 'both "instances" and "inputs"' : 'neither "instances" nor "inputs"'}: one of them is expected`,
    );
  const from = ({ instances, inputs }: Record<string, unknown>, plan: Signature): InferRequest =>
    byRow ? fromInstances(withBase64(instances), plan) : fromColumns(withBase64(inputs), plan);
  const read = (plan: Signature): InferRequest => readExactly(plan, { text, value: body }, from);
  return { format: byRow ? 'rows' : 'columns', read };
}
