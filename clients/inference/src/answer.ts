import type { Datatype, OutputValues } from './datatypes.js';
import { arrays, isDatatype, sizeOf } from './datatypes.js';
import { InferenceError } from './errors.js';
import type { OutputOf } from './signature.js';
import { fromBytes } from './tensor-bytes.js';

/** What a model answered. */
export type Answer<O = Readonly<Record<string, OutputOf<Datatype>>>> = {
  readonly id: string | null;
  readonly model: string;
  /** The version that answered; null when the server does not say. */
  readonly version: string | null;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Perennial: an id a row, by which labels are given later; otherwise the answer's id. */
  readonly predictionIds: readonly string[];
  /** Perennial: the version's part in the route, such as `champion`; null from other servers. */
  readonly variant: string | null;
  readonly outputs: O;
};

type WireTensor = { name: string; datatype: string; shape: number[]; parameters?: { binary_data_size?: number }; data?: unknown };
type WireAnswer = { id?: string; model_name: string; model_version?: string; parameters?: Record<string, unknown>; outputs: WireTensor[] };

/** Reads an answer, its tensors in JSON or behind it. Throws `protocol` for what is none. */
export function readAnswer(bytes: Uint8Array, headLength: number | null): Answer {
  const head = parse(new TextDecoder().decode(headLength === null ? bytes : bytes.subarray(0, headLength)));
  let at = headLength ?? bytes.length;
  const outputs: Record<string, OutputOf<Datatype>> = {};
  for (const tensor of head.outputs) {
    const { name, shape } = tensor;
    if (!isDatatype(tensor.datatype))
      throw new InferenceError('protocol', `output "${name}" has datatype ${tensor.datatype}, which this client does not know`);
    const datatype = tensor.datatype;
    const size = tensor.parameters?.binary_data_size;
    const data =
      size === undefined
        ? fromJson({ name, datatype }, tensor.data, sizeOf(shape))
        : fromBytes({ name, datatype }, bytes.subarray(at, at + size), sizeOf(shape));
    at += size ?? 0;
    outputs[name] = { datatype, shape, data };
  }
  const parameters = head.parameters ?? {};
  const { prediction_ids: ids, variant } = parameters;
  return {
    id: head.id ?? null,
    model: head.model_name,
    version: head.model_version ?? null,
    parameters,
    predictionIds: typeof ids === 'string' ? ids.split(',') : head.id === undefined ? [] : [head.id],
    variant: typeof variant === 'string' ? variant : null,
    outputs,
  };
}

function parse(text: string): WireAnswer {
  try {
    const value = JSON.parse(text) as WireAnswer;
    if (Array.isArray(value.outputs) && typeof value.model_name === 'string') return value;
  } catch (cause) {
    throw new InferenceError('protocol', 'the answer is not JSON: is it an inference server?', { cause });
  }
  throw new InferenceError('protocol', 'the answer has no model_name and outputs: is it an inference server?');
}

function fromJson(of: { name: string; datatype: Datatype }, data: unknown, count: number): OutputValues[Datatype] {
  const { name, datatype } = of;
  const values = Array.isArray(data) ? (data.flat(Infinity) as unknown[]) : [];
  if (values.length !== count)
    throw new InferenceError('protocol', `output "${name}" has ${values.length} elements: its shape says ${count}`);
  if (datatype === 'BYTES') return values.map(String);
  if (datatype === 'BOOL') return values.map(Boolean);
  if (datatype === 'FP16' || datatype === 'BF16')
    throw new InferenceError('protocol', `output "${name}" is ${datatype}, which has no JSON form: ask for binary tensors`);
  const other = values.find((value) => typeof value !== 'number');
  if (other !== undefined) throw new InferenceError('protocol', `output "${name}" has ${JSON.stringify(other)}: a number is expected`);
  const kind = arrays[datatype];
  if (datatype !== 'INT64' && datatype !== 'UINT64') return new kind(values as never) as OutputValues[Datatype];
  const big = values.map((value) => {
    if (!Number.isSafeInteger(value))
      throw new InferenceError('protocol', `output "${name}" has ${String(value)}, which JSON may have rounded: ask for binary tensors`);
    return BigInt(value as number);
  });
  return new kind(big as never) as OutputValues[Datatype];
}
