import { invalid, RequestError } from '../http/request-error.js';
import { ByteTail } from './byte-tail.js';
import type { RowTexts } from './row-texts.js';

/** An input tensor as the request gives it: its elements are not checked against `shape` yet. */
export type RequestInput = {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  /** Elements as JSON values, flat or nested, or as numbers that agree with the shape; undefined when they came as bytes. */
  readonly data: unknown;
  /** Elements as bytes: little-endian, BOOL one byte, BYTES a 32-bit length before each element. */
  readonly raw?: Uint8Array;
  /** The rows as they were written, where that is known. */
  readonly rowTexts?: RowTexts;
};

/** An output that the request asks for. */
export type RequestedOutput = {
  readonly name: string;
  /** Whether its elements shall come as bytes; null leaves it to the request's `binary_data_output`. */
  readonly binary: boolean | null;
  /** How many of the largest values shall be told as "value:index"; 0 for the values themselves. */
  readonly classification: number;
};

/** An inference request of the Open Inference Protocol, checked in its form but not yet against a model. */
export type InferRequest = {
  readonly id: string | null;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  readonly inputs: readonly RequestInput[];
  /** The outputs asked for; null for all. */
  readonly outputs: readonly RequestedOutput[] | null;
  /** The JSON text that this was read from, for integers that JavaScript numbers round; absent where there was none. */
  readonly source?: string | undefined;
};

/** Where a request comes from: its text, and the bytes after it when it is a head that tensors follow. */
export type RequestSource = { readonly text?: string; readonly tail?: Uint8Array };

const none: InferRequest['parameters'] = Object.freeze({});

/** Checks the form of a request. Throws a `RequestError` that names the place. */
export function readInferRequest(body: unknown, from: RequestSource = {}): InferRequest {
  if (!isObject(body)) throw invalid(`the request is ${kindOf(body)}: a JSON object with "inputs" is expected`);
  const { id, parameters, inputs, outputs } = body;
  if (id !== undefined && typeof id !== 'string') throw invalid(`id is ${kindOf(id)}: text is expected`);
  if (!Array.isArray(inputs)) throw invalid(`inputs is ${kindOf(inputs)}: a list of tensors is expected`);
  if (inputs.length === 0) throw invalid('inputs is empty: at least one tensor is expected');
  const tail = from.tail === undefined ? null : new ByteTail(from.tail);
  const request: InferRequest = {
    id: id ?? null,
    parameters: parameters === undefined ? none : readParameters(parameters),
    inputs: inputs.map((input, index) => readInput(input, index, tail)),
    outputs: outputs === undefined ? null : readOutputs(outputs),
    source: from.text,
  };
  tail?.end();
  return request;
}

function readInput(input: unknown, index: number, tail: ByteTail | null): RequestInput {
  if (!isObject(input)) throw invalid(`inputs[${index}] is ${kindOf(input)}: an object with name, datatype, shape and data is expected`);
  const { name, datatype, shape, data, parameters } = input;
  if (typeof name !== 'string') throw invalid(`inputs[${index}].name is ${kindOf(name)}: text is expected`);
  if (typeof datatype !== 'string')
    throw invalid(`inputs[${index}].datatype (${quote(name)}) is ${kindOf(datatype)}: text such as "FP32" is expected`);
  if (!Array.isArray(shape)) throw invalid(`inputs[${index}].shape (${quote(name)}) is ${kindOf(shape)}: a list of sizes is expected`);
  let size = 1;
  for (const dim of shape as unknown[]) {
    if (typeof dim !== 'number' || !Number.isInteger(dim) || dim < 0) {
      throw invalid(`inputs[${index}].shape (${quote(name)}) holds ${quote(dim)}: whole numbers of 0 or more are expected`);
    }
    size *= dim;
    if (!Number.isSafeInteger(size * largestElement))
      throw invalid(`inputs[${index}].shape (${quote(name)}) multiplies to more elements than can be counted`);
  }
  if (parameters !== undefined) {
    const place = `inputs[${index}] (${quote(name)})`;
    const bytes = binarySize(parameters, place);
    if (bytes !== null) {
      if (data !== undefined) throw invalid(`${place} has both data and binary_data_size: one of them is expected`);
      if (tail === null)
        throw invalid(
          `${place} is announced as binary data, but the header Inference-Header-Content-Length that says where it begins is missing`,
        );
      return { name, datatype, shape: shape as number[], data: undefined, raw: tail.take(bytes, place) };
    }
  }
  if (data === undefined) throw invalid(`inputs[${index}].data (${quote(name)}) is missing`);
  return { name, datatype, shape: shape as number[], data };
}

/** Bytes of the largest element: a shape whose bytes cannot be counted is refused whatever its datatype. */
const largestElement = 8;

function binarySize(parameters: unknown, place: string): number | null {
  if (!isObject(parameters)) throw invalid(`${place}: parameters is ${kindOf(parameters)}: an object is expected`);
  refuseSharedMemory(parameters, place);
  const size = parameters['binary_data_size'];
  if (size === undefined) return null;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`${place}: binary_data_size is ${quote(size)}: a whole number of bytes is expected`);
  return size;
}

function refuseSharedMemory(parameters: Record<string, unknown>, place: string): void {
  if (parameters['shared_memory_region'] !== undefined)
    throw new RequestError('notImplemented', `${place}: shared memory is not taken: send the tensor in the request`);
}

function readParameters(parameters: unknown): InferRequest['parameters'] {
  if (!isObject(parameters)) throw invalid(`parameters is ${kindOf(parameters)}: an object is expected`);
  for (const name in parameters) {
    const value = parameters[name];
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw invalid(`parameters.${name.slice(0, 100)} is ${kindOf(value)}: text, a number or a boolean is expected`);
    }
  }
  checkReserved(parameters);
  return parameters as InferRequest['parameters'];
}

/** The parameters whose names the protocol's extensions keep for themselves. Throws a `RequestError` for one that is not taken. */
export function checkReserved(parameters: Record<string, unknown>): void {
  const { binary_data_output: binary, sequence_id: sequence, headers } = parameters;
  if (binary !== undefined && typeof binary !== 'boolean')
    throw invalid(`parameters.binary_data_output is ${kindOf(binary)}: true or false is expected`);
  if (sequence !== undefined && sequence !== 0 && sequence !== '')
    throw new RequestError(
      'notImplemented',
      'parameters.sequence_id: this gateway keeps nothing between requests, so it serves no sequences',
    );
  if (headers !== undefined) throw invalid('parameters.headers: this name is reserved');
}

function readOutputs(outputs: unknown): RequestedOutput[] | null {
  if (!Array.isArray(outputs)) throw invalid(`outputs is ${kindOf(outputs)}: a list of outputs is expected`);
  const asked: RequestedOutput[] = [];
  const names = new Set<string>();
  for (const [index, output] of (outputs as unknown[]).entries()) {
    if (!isObject(output) || typeof output['name'] !== 'string') throw invalid(`outputs[${index}] needs a "name"`);
    const { name, parameters } = output;
    if (names.has(name as string))
      throw invalid(`outputs[${index}]: output ${quote(name)} already exists in request: it is asked for twice`);
    names.add(name as string);
    asked.push(
      parameters === undefined ? { name: name as string, binary: null, classification: 0 } : askedOutput(name as string, parameters),
    );
  }
  return asked.length === 0 ? null : asked;
}

function askedOutput(name: string, parameters: unknown): RequestedOutput {
  const place = `output ${quote(name)}`;
  if (!isObject(parameters)) throw invalid(`${place}: parameters is ${kindOf(parameters)}: an object is expected`);
  refuseSharedMemory(parameters, place);
  const { binary_data: binary, classification } = parameters;
  if (binary !== undefined && typeof binary !== 'boolean')
    throw invalid(`${place}: binary_data is ${kindOf(binary)}: true or false is expected`);
  if (classification !== undefined && (typeof classification !== 'number' || !Number.isInteger(classification) || classification < 0))
    throw invalid(`${place}: classification is ${quote(classification)}: a whole number of classes is expected`);
  return { name, binary: binary ?? null, classification: (classification as number | undefined) ?? 0 };
}

/** Whether a value is a JSON object, not a list and not null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A word for what was found in the place of something else. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : typeof value === 'string' ? 'text' : `a ${typeof value}`;
}

/** A value as it stands in a message, short enough for one. */
export function quote(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
