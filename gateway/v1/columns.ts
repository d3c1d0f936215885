import { invalid } from '../http/request-error.js';
import { sizesOf } from '../oip/instances.js';
import type { InferRequest, RequestInput } from '../oip/oip-request.js';
import { isObject, kindOf, quote } from '../oip/oip-request.js';
import type { Signature, SignatureTensor } from '../plans/serving-plan.js';

/** A request of `{"inputs": ...}` in columns: an object of tensors by name or, where the model takes one, that tensor. */
export function fromColumns(inputs: unknown, plan: Signature): InferRequest {
  const given = isObject(inputs) ? inputs : soleInput(inputs, plan);
  const byName = new Map(plan.inputs.map((input) => [input.name, input]));
  for (const name of Object.keys(given)) {
    if (!byName.has(name)) throw invalid(`input ${quote(name)} is not known: the model takes ${[...byName.keys()].join(', ')}`);
  }
  const tensors: RequestInput[] = [];
  for (const input of plan.inputs) if (Object.hasOwn(given, input.name)) tensors.push(tensorOf(input, given[input.name]));
  return { id: null, parameters: {}, inputs: tensors, outputs: null };
}

function soleInput(tensor: unknown, plan: Signature): Record<string, unknown> {
  if (plan.inputs.length !== 1)
    throw invalid(`inputs is ${kindOf(tensor)}: an object with ${plan.inputs.map(({ name }) => name).join(', ')} is expected`);
  return { [plan.inputs[0]!.name]: tensor };
}

function tensorOf({ name, datatype, shape }: SignatureTensor, data: unknown): RequestInput {
  return { name, datatype, shape: sizesOf(data, shape.length), data };
}

/** JSON with each `{"b64": "..."}` in it as the text whose bytes it holds. Throws a `RequestError` for other bytes. */
export function withBase64(value: unknown): unknown {
  if (Array.isArray(value)) return value.some((item) => typeof item === 'object') ? value.map(withBase64) : value;
  if (!isObject(value)) return value;
  const keys = Object.keys(value);
  if (keys.length === 1 && keys[0] === 'b64') return decoded(value['b64']);
  return Object.fromEntries(keys.map((key) => [key, withBase64(value[key])]));
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

function decoded(text: unknown): string {
  if (typeof text !== 'string' || text.length % 4 !== 0 || !base64.test(text)) throw invalid('a "b64" value is not base64');
  try {
    return decoder.decode(Buffer.from(text, 'base64'));
  } catch {
    throw invalid('a "b64" value holds bytes that are no UTF-8 text');
  }
}
