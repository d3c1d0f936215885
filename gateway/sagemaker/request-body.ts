import { parseJsonBody, parseJsonText, textOf } from '../http/json-body.js';
import { invalid, RequestError } from '../http/request-error.js';
import { exactRequest, readExactly } from '../oip/exact-integers.js';
import { headLengthOf, readInferBody } from '../oip/infer-body.js';
import { isObject, readInferRequest } from '../oip/oip-request.js';
import type { InferRequest } from '../oip/oip-request.js';
import type { Signature } from '../plans/serving-plan.js';
import { linesOf } from '../streams/body-lines.js';
import type { NpyArray } from './npy.js';
import { npyColumns, npyInput, readNpy } from './npy.js';
import { fromInstances } from '../oip/instances.js';
import { csvText, fromCsv } from './sagemaker-csv.js';

/** How a body holds its rows, which is how the answer holds them unless another form is accepted. */
export type Format = 'oip' | 'binary' | 'instances' | 'csv' | 'jsonLines' | 'npy';

/** A body that was read as far as that goes without a model's signature. `session` is set when it asks for no prediction. */
export type RequestBody =
  | { readonly kind: 'rows'; readonly format: Format; read(plan: Signature): InferRequest }
  | { readonly kind: 'session'; readonly action: 'open' | 'close' };

type Taken = {
  readonly body: Buffer;
  readonly contentType: string;
  /** Header `Inference-Header-Content-Length` of a binary body. */
  readonly headLength: string | string[] | undefined;
  readonly maxJsonDepth: number;
};

/** JSON with binary tensors after it, as Triton's clients send it to SageMaker, which lets no header of theirs through. */
const tritonBinary = 'application/vnd.sagemaker-triton.binary+json';

/** Types of JSON lines as they are in use; SageMaker's own is the first. */
const jsonLines: ReadonlySet<string> = new Set([
  'application/jsonlines',
  'application/jsonl',
  'application/x-ndjson',
  'application/x-jsonlines',
]);

/** What a media type stands for: which kind of JSON, its body says. `null` for one that is not taken. */
export function mediaFormat(mediaType: string): 'json' | 'binary' | 'csv' | 'jsonLines' | 'npy' | null {
  const type = mediaType.split(';')[0]!.trim().toLowerCase();
  if (type === 'application/json') return 'json';
  if (type === 'text/csv') return 'csv';
  if (type === 'application/octet-stream' || type === tritonBinary) return 'binary';
  if (jsonLines.has(type)) return 'jsonLines';
  return type === 'application/x-npy' ? 'npy' : null;
}

/** The form of a body of a content type that is taken; of JSON it may be the other one. */
export function formatOf(contentType: string): Format {
  const format = mediaFormat(contentType);
  return format === 'json' || format === 'binary' || format === null ? 'oip' : format;
}

/** How much of a body is more to read than bytes that stand for themselves. Throws a `RequestError` for a head that is longer than it. */
export function bytesToRead(taken: Pick<Taken, 'body' | 'contentType' | 'headLength'>): number {
  const format = mediaFormat(taken.contentType);
  if (format === null) return 0;
  return format === 'binary' ? headLengthOf(headLengthHeader(taken), taken.body.length) : taken.body.length;
}

function headLengthHeader({ contentType, headLength }: Pick<Taken, 'contentType' | 'headLength'>): string | string[] {
  return /;\s*json-header-size=(\d{1,15})\s*$/.exec(contentType)?.[1] ?? headLength ?? '0';
}

/** Reads a body by its content type. Throws a `RequestError` for what is not taken or not understood. */
export function readRequestBody(taken: Taken): RequestBody {
  const { body, contentType, maxJsonDepth } = taken;
  switch (mediaFormat(contentType)) {
    case 'csv': {
      const text = csvText(body);
      return { kind: 'rows', format: 'csv', read: (plan) => fromCsv(text, plan) };
    }
    case 'jsonLines': {
      const instances = Array.from(linesOf(body), (line, row) => instanceOf(line, { row, maxJsonDepth }));
      const text = (): string => `[${Array.from(linesOf(body), (line) => line.toString('utf8')).join(',')}]`;
      const from = (value: unknown, plan: Signature): InferRequest => fromInstances((value as unknown[]).map(valuesOf), plan);
      const read = (plan: Signature): InferRequest =>
        exactRequest(plan, text, (value) => from(value, plan)) ?? fromInstances(instances, plan);
      return { kind: 'rows', format: 'jsonLines', read };
    }
    case 'npy': {
      const array = readNpy(body);
      return { kind: 'rows', format: 'npy', read: (plan) => fromArray(array, plan) };
    }
    case null:
      throw new RequestError(
        'unsupported',
        `Content-Type ${contentType.slice(0, 100)} is not taken: application/json, application/octet-stream (binary tensors), text/csv, application/jsonlines and application/x-npy are`,
      );
    case 'binary': {
      const read = readInferBody({ body, headLength: headLengthHeader(taken) }, maxJsonDepth);
      return { kind: 'rows', format: 'oip', read: read.kind === 'raw' ? read.read : () => read.request };
    }
    case 'json':
      return readJson(textOf(body), maxJsonDepth);
  }
}

function readJson(text: string, maxJsonDepth: number): RequestBody {
  const body = parseJsonText(text, maxJsonDepth);
  if (isObject(body) && body['instances'] !== undefined) {
    const read = (plan: Signature): InferRequest =>
      readExactly(plan, { text, value: body }, (value) => fromInstances(value['instances'], plan));
    return { kind: 'rows', format: 'instances', read };
  }
  if (isObject(body) && body['inputs'] !== undefined) {
    const request = readInferRequest(body, { text });
    return { kind: 'rows', format: 'oip', read: () => request };
  }
  // The payloads by which callers of stateful models on SageMaker open and close a session.
  if (isObject(body) && body['requestType'] === 'NEW_SESSION') return { kind: 'session', action: 'open' };
  if (isObject(body) && body['requestType'] === 'CLOSE') return { kind: 'session', action: 'close' };
  throw invalid('a JSON object with "inputs" (Open Inference Protocol) or "instances" is expected');
}

/** One line of a JSON-lines body as an instance; a line of SageMaker's `{"features":[...]}` is its list. */
export function instanceOf(line: Buffer, at: { row: number; maxJsonDepth: number }): unknown {
  let value: unknown;
  try {
    value = parseJsonBody(line, at.maxJsonDepth);
  } catch (error) {
    throw invalid(`line ${at.row}: ${(error as Error).message}`);
  }
  return valuesOf(value);
}

function valuesOf(value: unknown): unknown {
  return isObject(value) && Array.isArray(value['features']) && Object.keys(value).length === 1 ? value['features'] : value;
}

function fromArray(array: NpyArray, plan: Signature): InferRequest {
  const whole = (inputs: InferRequest['inputs']): InferRequest => ({ id: null, parameters: {}, inputs, outputs: null });
  const [only] = plan.inputs;
  if (plan.inputs.length === 1) return whole([npyInput(only!.name, array)]);
  if (array.shape.length !== 2 || array.shape[1] !== plan.inputs.length) {
    const names = plan.inputs.map(({ name }) => name).join(', ');
    throw invalid(`the .npy array has shape (${array.shape.join(', ')}): (rows, ${plan.inputs.length}) is expected, of ${names}`);
  }
  const columns = npyColumns(array);
  return whole(
    plan.inputs.map(({ name, datatype }, i) => {
      const column = npyInput(name, { datatype: array.datatype, shape: [array.shape[0]!], bytes: columns[i]! });
      // An array has one type for all its columns; each field takes its own.
      return datatype === array.datatype ? column : { name, datatype, shape: column.shape, data: numbersOf(array.datatype, columns[i]!) };
    }),
  );
}

function numbersOf(datatype: string, bytes: Buffer): (number | boolean)[] {
  const copy = new Uint8Array(bytes).buffer;
  switch (datatype) {
    case 'FP64':
      return [...new Float64Array(copy)];
    case 'FP32':
      return [...new Float32Array(copy)];
    case 'INT64':
      return [...new BigInt64Array(copy)].map(Number);
    case 'INT32':
      return [...new Int32Array(copy)];
    default:
      throw invalid(`a .npy array of ${datatype} does not fit fields of several types: save it as float64`);
  }
}
