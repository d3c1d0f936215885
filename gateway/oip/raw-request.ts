import { invalid } from '../http/request-error.js';
import { elementTypes } from '../models/tensors.js';
import type { Signature, SignatureTensor } from '../plans/serving-plan.js';
import type { InferRequest } from './oip-request.js';
import { quote } from './oip-request.js';
import { widthOf } from './raw-elements.js';

/**
 * A body without a head (`Inference-Header-Content-Length: 0`): all of it is the model's one input, whose shape follows
 * from the number of bytes. Of several sizes that the request may choose the first is taken as 1; BYTES is one element
 * without its length before it. Every output is answered as bytes. Throws a `RequestError` when the shape cannot be told.
 */
export function rawRequest(body: Uint8Array, plan: Signature): InferRequest {
  const [input] = plan.inputs;
  if (input === undefined || plan.inputs.length > 1)
    throw invalid(
      `Raw request must only have 1 input (found 1) to be deduced but got ${plan.inputs.length} inputs in the model's signature`,
    );
  const { name, datatype } = input;
  const raw = datatype === 'BYTES' ? withLength(body) : body;
  const shape = datatype === 'BYTES' ? textShape(input) : numberShape(input, body.length);
  return {
    id: null,
    parameters: { binary_data_output: true },
    inputs: [{ name, datatype, shape, data: undefined, raw }],
    outputs: null,
  };
}

function textShape({ name, shape }: SignatureTensor): number[] {
  const rest = shape[0] === -1 ? shape.slice(1) : shape;
  if (rest.some((dim) => dim !== 1)) throw invalid(`For BYTE datatype raw input ${quote(name)}, the model must have input shape [1]`);
  return shape.map(() => 1);
}

function numberShape({ name, datatype, shape }: SignatureTensor, bytes: number): number[] {
  const type = elementTypes[datatype];
  if (type === undefined || type === 'string') throw invalid(`input ${quote(name)} of datatype ${datatype} cannot be sent as raw bytes`);
  const open = shape.reduce((count, dim) => count + (dim === -1 ? 1 : 0), 0);
  // With more than one, the rows are 1.
  const known = open > 1 && shape[0] === -1 ? [1, ...shape.slice(1)] : shape;
  if (known.filter((dim) => dim === -1).length > 1)
    throw invalid(
      `The shape of the raw input ${quote(name)} can not be deduced because there are more than one variable-sized dimension in [${shape.join(',')}]`,
    );
  const width = widthOf(type) * known.reduce((size, dim) => (dim === -1 ? size : size * dim), 1);
  if (!known.includes(-1)) return [...known];
  if (width === 0 || bytes === 0 || bytes % width !== 0)
    throw invalid(`The shape of the raw input ${quote(name)} can not be deduced: ${bytes} bytes are no multiple of ${width}, or none`);
  return known.map((dim) => (dim === -1 ? bytes / width : dim));
}

function withLength(body: Uint8Array): Uint8Array {
  const raw = Buffer.allocUnsafe(4 + body.length);
  raw.writeUInt32LE(body.length, 0);
  raw.set(body, 4);
  return raw;
}
