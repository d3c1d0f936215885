import type { Datatype } from './datatypes.js';
import { sizeOf } from './datatypes.js';
import { InferenceError } from './errors.js';
import type { Tensor } from './signature.js';
import { toArray, toBytes } from './tensor-bytes.js';

export type Parameters = Readonly<Record<string, string | number | boolean>>;

export type RequestParts = {
  readonly id: string;
  readonly parameters: Parameters;
  readonly inputs: readonly Tensor[];
  /** Names of the outputs that are wanted; null for all. */
  readonly outputs: readonly string[] | null;
  /** Tensors as bytes behind the JSON, in both directions; else all as JSON. */
  readonly binary: boolean;
};

export type RequestBody = { readonly bytes: Uint8Array; readonly headers: Readonly<Record<string, string>> };

const encoder = new TextEncoder();

/** The body of an inference request. Throws `invalid` naming the input that is not as it should be. */
export function requestBody({ id, parameters, inputs, outputs, binary }: RequestParts): RequestBody {
  for (const { name, shape, data } of inputs) {
    if (sizeOf(shape) !== data.length)
      throw new InferenceError('invalid', `input "${name}" has ${data.length} elements: shape [${shape.join(',')}] has ${sizeOf(shape)}`);
  }
  const wanted = outputs === null ? {} : { outputs: outputs.map((name) => ({ name, parameters: { binary_data: binary } })) };
  const more = binary ? { ...parameters, binary_data_output: true } : parameters;
  const tails = binary ? inputs.map((input) => toBytes(input, input.data)) : [];
  const tensors = inputs.map(({ name, datatype, shape, data }, i) => {
    const head = `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":${JSON.stringify(shape)}`;
    if (binary) return `${head},"parameters":{"binary_data_size":${tails[i]!.length}}}`;
    return `${head},"data":${jsonData({ name, datatype }, data)}}`;
  });
  const rest = JSON.stringify({ id, ...(Object.keys(more).length === 0 ? {} : { parameters: more }), ...wanted });
  const head = encoder.encode(`${rest.slice(0, -1)},"inputs":[${tensors.join(',')}]}`);
  if (!binary) return { bytes: head, headers: { 'content-type': 'application/json' } };
  return {
    bytes: joined([head, ...tails]),
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(head.length) },
  };
}

/** 64-bit integers are written with all their digits. */
function jsonData(of: { name: string; datatype: Datatype }, data: ArrayLike<unknown>): string {
  const { name, datatype } = of;
  if (datatype === 'FP16' || datatype === 'BF16')
    throw new InferenceError('invalid', `input "${name}" is ${datatype}, which has no JSON form: send it as binary`);
  if (datatype === 'BOOL') return `[${Array.from(data, (value) => (value ? 'true' : 'false')).join(',')}]`;
  if (datatype === 'BYTES') {
    const texts = Array.from(data, (value, i) => {
      if (typeof value === 'string') return JSON.stringify(value);
      throw new InferenceError('invalid', `input "${name}", element ${i}, is no text: bytes are sent as binary`);
    });
    return `[${texts.join(',')}]`;
  }
  return `[${Array.from(toArray(of, data) as ArrayLike<number | bigint>, (value, i) => {
    if (typeof value === 'number' && !Number.isFinite(value))
      throw new InferenceError('invalid', `input "${name}", element ${i}, is ${value}: JSON has no such number`);
    return String(value);
  }).join(',')}]`;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
