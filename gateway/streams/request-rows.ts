import { invalid } from '../http/request-error.js';
import { quote } from '../oip/oip-request.js';
import type { InferRequest, RequestInput } from '../oip/oip-request.js';
import { sizeOf } from '../models/tensors.js';
import type { Unfit } from '../oip/unfit-data.js';
import { UnfitData } from '../oip/unfit-data.js';

/** Bytes of one element in the protocol's binary form; BYTES have a length each. */
const elementBytes: Readonly<Record<string, number>> = {
  BOOL: 1,
  UINT8: 1,
  INT8: 1,
  UINT16: 2,
  INT16: 2,
  FP16: 2,
  BF16: 2,
  UINT32: 4,
  INT32: 4,
  FP32: 4,
  UINT64: 8,
  INT64: 8,
  FP64: 8,
};

/** How many rows a request has: the first size of all its inputs. Throws a `RequestError` when they differ. */
export function rowsOf(request: InferRequest): number {
  const [first, ...others] = request.inputs;
  if (first === undefined) throw invalid('the request has no inputs: at least one is expected');
  const rows = first.shape[0] ?? 1;
  for (const { name, shape } of others) {
    if ((shape[0] ?? 1) !== rows)
      throw invalid(`input ${quote(name)} has ${shape[0] ?? 1} rows, ${quote(first.name)} has ${rows}: all inputs must have the same`);
  }
  if (rows < 1) throw invalid('the request has no rows: at least one is expected');
  return rows;
}

/** Some rows of a request as a request of their own. A prediction id that the caller gave gets the row's number. */
export function someRows(request: InferRequest, { from, rows }: { from: number; rows: number }): InferRequest {
  if (from === 0 && rows === rowsOf(request)) return request;
  const inputs = request.inputs.map((input) => rowsOfInput(input, { from, rows }));
  const id = request.parameters['prediction_id'];
  if (typeof id !== 'string') return { ...request, inputs };
  return { ...request, inputs, parameters: { ...request.parameters, prediction_id: `${id}-${from}` } };
}

/** What is told of a row that was asked alone, and so as row 0, in the numbers of whoever sent all rows. */
export const ofRow = (message: string, row: number): string => message.replace(/\b(row |instances\[)0\b/, `$1${row}`);

/** The same for a message that may not tell the row. */
export function namingRow(message: string, row: number): string {
  const told = ofRow(message, row);
  return new RegExp(`\\b(row |instances\\[)${row}\\b`).test(told) ? told : `row ${row}: ${told}`;
}

function rowsOfInput(input: RequestInput, { from, rows }: { from: number; rows: number }): RequestInput {
  const { name, data, raw } = input;
  const [all = 1, ...inner] = input.shape;
  const shape = [rows, ...inner];
  const width = sizeOf(inner);
  if (raw !== undefined) return { ...input, shape, raw: someBytes(input, { from: from * width, to: (from + rows) * width }) };
  const list = data instanceof UnfitData ? data.unfit : listOf(data, inner.length > 0);
  if (list.length === null) throw invalid(`input ${quote(name)}: data is no list: a list is expected`);
  const needed = list.isNested ? all : all * width;
  if (list.length !== needed)
    throw invalid(`input ${quote(name)}: data has ${list.length} elements, shape [${input.shape.join(',')}] needs ${needed}`);
  if (data instanceof UnfitData) return { ...input, shape, data: data.slice({ from, rows, width }) };
  const elements = data as unknown[] | Float64Array;
  const step = list.isNested ? 1 : width;
  return { ...input, shape, data: elements.slice(from * step, (from + rows) * step) };
}

function listOf(data: unknown, mayNest: boolean): Pick<Unfit, 'length' | 'isNested'> {
  if (data instanceof Float64Array) return { length: data.length, isNested: false };
  return Array.isArray(data) ? { length: data.length, isNested: mayNest && Array.isArray(data[0]) } : { length: null, isNested: false };
}

function someBytes(input: RequestInput, { from, to }: { from: number; to: number }): Uint8Array {
  const raw = input.raw!;
  const size = elementBytes[input.datatype];
  const short = (): never => {
    throw invalid(`input ${quote(input.name)}: its ${raw.length} bytes are not those of shape [${input.shape.join(',')}]`);
  };
  if (size !== undefined) return raw.length === sizeOf(input.shape) * size ? raw.subarray(from * size, to * size) : short();
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  let start = 0;
  let at = 0;
  for (let element = 0; element < to; element++) {
    if (element === from) start = at;
    if (at + 4 > raw.length) return short();
    at += 4 + view.getUint32(at, true);
    if (at > raw.length) return short();
  }
  return raw.subarray(start, at);
}
