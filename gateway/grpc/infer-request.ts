import type { InferRequest, RequestedOutput, RequestInput } from '../oip/oip-request.js';
import { checkReserved, quote } from '../oip/oip-request.js';
import { invalid, RequestError } from '../http/request-error.js';
import { delimited, fixed64, readFields, varint, wholeNumber } from './message-reader.js';
import { readContents } from './tensor-contents.js';

/** A `ModelInferRequest` in the gateway's own terms. */
export type GrpcInferRequest = {
  readonly model: string;
  /** Null where the request names none. */
  readonly version: string | null;
  readonly request: InferRequest;
  /** Whether the tensors came as raw bytes: then the answer's go so too. */
  readonly raw: boolean;
};

type Parameters = Record<string, string | number | boolean>;
type ReadInput = { name: string; datatype: string; shape: number[]; contents: Uint8Array[]; parameters: Parameters };

/** More of these have no use, and each costs more memory than message. */
const maxTensors = 4_096;
const maxParameters = 1_024;
const maxDimensions = 64;

const none: InferRequest['parameters'] = Object.freeze({});

/**
 * Reads a `ModelInferRequest` by hand: what decodes by reflection makes a JavaScript number of every element first. Throws a
 * `RequestError` for what is no such message, and for tensors that contradict themselves.
 */
export function readInferRequest(bytes: Uint8Array): GrpcInferRequest {
  try {
    return readRequest(bytes);
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw invalid(`the message is no ModelInferRequest: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readRequest(bytes: Uint8Array): GrpcInferRequest {
  let model = '';
  let version = '';
  let id = '';
  let parameters: Parameters | undefined;
  const inputs: ReadInput[] = [];
  const outputs: RequestedOutput[] = [];
  const raws: Uint8Array[] = [];
  readFields(bytes, (tag, reader) => {
    switch (tag) {
      case delimited(1):
        model = reader.string();
        return true;
      case delimited(2):
        version = reader.string();
        return true;
      case delimited(3):
        id = reader.string();
        return true;
      case delimited(4):
        readParameter(reader.bytes(), (parameters ??= emptyParameters()));
        return true;
      case delimited(5):
        atMost(inputs, 'inputs');
        inputs.push(readInput(reader.bytes()));
        return true;
      case delimited(6):
        atMost(outputs, 'outputs');
        outputs.push(readOutput(reader.bytes()));
        return true;
      case delimited(7):
        atMost(raws, 'raw_input_contents');
        raws.push(reader.bytes());
        return true;
      default:
        return false;
    }
  });
  if (parameters !== undefined) checkReserved(parameters);
  if (model === '') throw invalid('model_name is empty: the name of a model is expected');
  if (inputs.length === 0) throw invalid('inputs is empty: at least one tensor is expected');
  if (raws.length > 0 && raws.length !== inputs.length)
    throw invalid(`raw_input_contents has ${raws.length} entries for ${inputs.length} inputs: one each is expected`);
  outputs.forEach(({ name }, index) => {
    if (outputs.findIndex((other) => other.name === name) !== index) throw invalid(`outputs[${index}]: ${quote(name)} is asked for twice`);
  });
  return {
    model,
    version: version === '' ? null : version,
    raw: raws.length > 0,
    request: {
      id: id === '' ? null : id,
      parameters: parameters ?? none,
      inputs: inputs.map((input, index) => tensorOf(input, raws[index])),
      outputs: outputs.length === 0 ? null : outputs,
    },
  };
}

function readInput(bytes: Uint8Array): ReadInput {
  const input: ReadInput = { name: '', datatype: '', shape: [], contents: [], parameters: none as Parameters };
  const dimension = (value: ReturnType<typeof wholeNumber>): void => {
    if (typeof value === 'string' || value < 0)
      throw invalid(`input ${quote(input.name)}: its shape holds ${value}: whole numbers of 0 or more are expected`);
    if (input.shape.length === maxDimensions)
      throw invalid(`input ${quote(input.name)}: its shape has more than ${maxDimensions} dimensions`);
    input.shape.push(value);
  };
  readFields(bytes, (tag, reader) => {
    switch (tag) {
      case delimited(1):
        input.name = reader.string();
        return true;
      case delimited(2):
        input.datatype = reader.string();
        return true;
      case varint(3):
        dimension(wholeNumber(reader.int64(), true));
        return true;
      case delimited(3): {
        const end = reader.uint32() + reader.pos;
        while (reader.pos < end) dimension(wholeNumber(reader.int64(), true));
        return true;
      }
      case delimited(4):
        if (input.parameters === none) input.parameters = emptyParameters();
        readParameter(reader.bytes(), input.parameters);
        return true;
      case delimited(5):
        atMost(input.contents, 'contents');
        input.contents.push(reader.bytes());
        return true;
      default:
        return false;
    }
  });
  return input;
}

function tensorOf({ name, datatype, shape, contents, parameters }: ReadInput, raw: Uint8Array | undefined): RequestInput {
  refuseSharedMemory(`input ${quote(name)}`, parameters);
  let size = 1;
  for (const dim of shape) size *= dim;
  if (!Number.isSafeInteger(size))
    throw invalid(`input ${quote(name)}: its shape [${shape.join(',')}] multiplies to more elements than can be counted`);
  if (raw !== undefined) {
    if (contents.some((part) => part.length > 0))
      throw invalid(`input ${quote(name)} has contents beside raw_input_contents: all tensors come raw, or none does`);
    return { name, datatype, shape, data: undefined, raw };
  }
  // A field of a message that comes twice is both, one after the other.
  const whole = contents.length === 1 ? contents[0]! : Buffer.concat(contents);
  return { name, datatype, shape, ...readContents(whole, { name, datatype, size }) };
}

function readOutput(bytes: Uint8Array): RequestedOutput {
  let name = '';
  const parameters = emptyParameters();
  readFields(bytes, (tag, reader) => {
    if (tag === delimited(1)) name = reader.string();
    else if (tag === delimited(2)) readParameter(reader.bytes(), parameters);
    else return false;
    return true;
  });
  if (name === '') throw invalid('an output that is asked for has no name');
  refuseSharedMemory(`output ${quote(name)}`, parameters);
  const { classification = 0 } = parameters;
  if (typeof classification !== 'number' || !Number.isInteger(classification) || classification < 0)
    throw invalid(`output ${quote(name)}: classification is ${quote(classification)}: a whole number of 0 or more is expected`);
  return { name, binary: null, classification };
}

function refuseSharedMemory(what: string, parameters: Parameters): void {
  if ('shared_memory_region' in parameters)
    throw new RequestError('unsupported', `${what} names a shared memory region: there are none here, send the elements in the message`);
}

/** One entry of a map of parameters: its key and an `InferParameter`. */
function readParameter(entry: Uint8Array, into: Parameters): void {
  let key = '';
  let value: string | number | boolean | undefined;
  readFields(entry, (tag, reader) => {
    if (tag === delimited(1)) key = reader.string();
    else if (tag === delimited(2)) value = readChoice(reader.bytes());
    else return false;
    return true;
  });
  if (value === undefined) throw invalid(`parameter ${quote(key)} has no value: one of bool, int64, string, double or uint64 is expected`);
  if (Object.keys(into).length >= maxParameters) throw invalid(`there are more than ${maxParameters} parameters`);
  into[key] = value;
}

function readChoice(bytes: Uint8Array): string | number | boolean | undefined {
  let value: string | number | boolean | undefined;
  readFields(bytes, (tag, reader) => {
    switch (tag) {
      case varint(1):
        value = reader.bool();
        return true;
      case varint(2):
        value = wholeNumber(reader.int64(), true);
        return true;
      case delimited(3):
        value = reader.string();
        return true;
      case fixed64(4):
        value = reader.double();
        return true;
      case varint(5):
        value = wholeNumber(reader.uint64(), false);
        return true;
      default:
        return false;
    }
  });
  return value;
}

/** Without a prototype, so that no name of a parameter means anything but itself. */
const emptyParameters = (): Parameters => Object.create(null) as Parameters;

function atMost(list: readonly unknown[], what: string): void {
  if (list.length >= maxTensors) throw invalid(`${what} has more than ${maxTensors} entries`);
}
