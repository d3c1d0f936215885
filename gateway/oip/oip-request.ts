import { invalid } from '../http/request-error.js';

/** An input tensor as the request gives it: its elements are not checked against `shape` yet. */
export type RequestInput = {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  /** Elements as JSON values, flat or nested; undefined when they came as bytes. */
  readonly data: unknown;
  /** Elements as bytes: little-endian, BOOL one byte, BYTES a 32-bit length before each element. */
  readonly raw?: Uint8Array;
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
};

const none: InferRequest['parameters'] = Object.freeze({});

/** Checks the form of a request. Throws a `RequestError` that names the place. */
export function readInferRequest(body: unknown): InferRequest {
  if (!isObject(body)) throw invalid(`the request is ${kindOf(body)}: a JSON object with "inputs" is expected`);
  const { id, parameters, inputs, outputs } = body;
  if (id !== undefined && typeof id !== 'string') throw invalid(`id is ${kindOf(id)}: text is expected`);
  if (!Array.isArray(inputs)) throw invalid(`inputs is ${kindOf(inputs)}: a list of tensors is expected`);
  if (inputs.length === 0) throw invalid('inputs is empty: at least one tensor is expected');
  return {
    id: id ?? null,
    parameters: parameters === undefined ? none : readParameters(parameters),
    inputs: inputs.map(readInput),
    outputs: outputs === undefined ? null : readOutputs(outputs),
  };
}

function readInput(input: unknown, index: number): RequestInput {
  if (!isObject(input)) throw invalid(`inputs[${index}] is ${kindOf(input)}: an object with name, datatype, shape and data is expected`);
  const { name, datatype, shape, data } = input;
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
    if (!Number.isSafeInteger(size))
      throw invalid(`inputs[${index}].shape (${quote(name)}) multiplies to more elements than can be counted`);
  }
  const parameters = input['parameters'];
  if (isObject(parameters) && 'binary_data_size' in parameters) {
    throw invalid(`inputs[${index}] (${quote(name)}) is announced as binary data: this server takes JSON tensors; send "data"`);
  }
  if (data === undefined) throw invalid(`inputs[${index}].data (${quote(name)}) is missing`);
  return { name, datatype, shape: shape as number[], data };
}

function readParameters(parameters: unknown): InferRequest['parameters'] {
  if (!isObject(parameters)) throw invalid(`parameters is ${kindOf(parameters)}: an object is expected`);
  for (const [name, value] of Object.entries(parameters)) {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw invalid(`parameters.${name.slice(0, 100)} is ${kindOf(value)}: text, a number or a boolean is expected`);
    }
  }
  return parameters as InferRequest['parameters'];
}

function readOutputs(outputs: unknown): RequestedOutput[] | null {
  if (!Array.isArray(outputs)) throw invalid(`outputs is ${kindOf(outputs)}: a list of outputs is expected`);
  const asked = outputs.map((output: unknown, index): RequestedOutput => {
    if (!isObject(output) || typeof output['name'] !== 'string') throw invalid(`outputs[${index}] needs a "name"`);
    return { name: output['name'], binary: null, classification: 0 };
  });
  asked.forEach(({ name }, index) => {
    if (asked.findIndex((other) => other.name === name) !== index) throw invalid(`outputs[${index}]: ${quote(name)} is asked for twice`);
  });
  return asked.length === 0 ? null : asked;
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
