import { exactData, isRounded } from './exact-integers.js';
import { flatData } from './flat-data.js';
import type { InferRequest, RequestInput } from './oip-request.js';
import { kindOf, quote } from './oip-request.js';
import { readRaw, zeroByte } from './raw-elements.js';
import { invalid } from '../http/request-error.js';
import type { ElementType, TensorData } from '../models/tensors.js';
import { emptyData, sizeOf } from '../models/tensors.js';

const largestFloat32 = 3.4028234663852886e38;

const bounds: Partial<Record<ElementType, readonly [number | bigint, number | bigint]>> = {
  int8: [-128, 127],
  int16: [-32_768, 32_767],
  int32: [-2_147_483_648, 2_147_483_647],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0, 255],
  uint16: [0, 65_535],
  uint32: [0, 4_294_967_295],
  uint64: [0n, 2n ** 64n - 1n],
  float32: [-largestFloat32, largestFloat32],
  float64: [-Number.MAX_VALUE, Number.MAX_VALUE],
};

/**
 * The elements of an input as a tensor's, however they came. Throws a `RequestError` naming the first that is of another
 * type or out of its range, or that says how their number disagrees with the shape.
 */
export function tensorData(request: InferRequest, input: RequestInput, type: ElementType): TensorData {
  const { name, shape, raw } = input;
  if (raw !== undefined) return readRaw({ name, type, count: sizeOf(shape), raw });
  if (type === 'float32') {
    const numbers = new Float32Array(countOf(input));
    if (fillFloats(numbers, input)) return numbers;
  }
  if (type === 'float16') throw invalid(`input ${quote(name)} is FP16, which has no JSON form: send it as binary data`);
  if (type === 'float64' && input.data instanceof Float64Array) return input.data;
  const values = flatData(input);
  if ((type === 'int64' || type === 'uint64') && values.some(isRounded) && request.source !== undefined) {
    const data = exactData(request.source, request.inputs.indexOf(input));
    return readElements({ name, type, values: flatData({ ...input, data }) });
  }
  return readElements({ name, type, values });
}

/** JSON values as the elements of a tensor. Throws a `RequestError` naming the first that is of another type or out of its range. */
export function readElements(input: { name: string; type: ElementType; values: readonly unknown[] }): TensorData {
  const { name, type, values } = input;
  const refuse = (index: number, expected: string): never => {
    const found = values[index];
    throw invalid(
      `input ${quote(name)}, element ${index}, is ${typeof found === 'number' || typeof found === 'bigint' ? found : kindOf(found)}: ${expected} is expected`,
    );
  };
  if (type === 'string') {
    values.forEach((value, index) => {
      if (typeof value !== 'string') refuse(index, 'text');
      else if (value.includes('\0')) throw zeroByte(name, index);
    });
    return values as string[];
  }
  const data = emptyData(type, values.length);
  if (type === 'bool') {
    values.forEach((value, index) => {
      if (typeof value !== 'boolean') refuse(index, 'true or false');
      data[index] = value === true ? 1 : 0;
    });
    return data;
  }
  const [low, high] = bounds[type]!;
  const isFloat = type === 'float32' || type === 'float64';
  const isBig = type === 'int64' || type === 'uint64';
  values.forEach((value, index) => {
    const isWhole = Number.isInteger(value) || (isBig && typeof value === 'bigint');
    if (!(isFloat ? typeof value === 'number' : isWhole)) refuse(index, isFloat ? 'a finite number' : 'a whole number');
    const number = value as number | bigint;
    if (!(number >= low && number <= high)) refuse(index, `a number from ${low} to ${high}`);
    // What is still a number here was written with a point or an exponent, or came without its text.
    if (isBig && isRounded(number)) refuse(index, 'a whole number with all its digits');
    data[index] = isBig ? BigInt(number) : number;
  });
  return data;
}

/** Elements that the data of an input may have at most: of a flat list its length, of nested ones what the shape says, bounded. */
function countOf({ data, shape }: RequestInput): number {
  if (data instanceof Float64Array) return data.length;
  if (!Array.isArray(data)) return 0;
  const size = sizeOf(shape);
  if (!Array.isArray(data[0])) return Math.min(size, data.length);
  if (shape.length !== 2 || data.length !== shape[0]) return 0;
  // Each row is looked at: what the first alone says could be gigabytes.
  for (const row of data as unknown[]) if (!Array.isArray(row) || row.length !== shape[1]) return 0;
  return size;
}

/**
 * The common forms of FP32 data, a flat list and a list of rows, in one pass. False when anything is not as the shape says
 * or no finite number: what it is, the general way tells.
 */
function fillFloats(into: Float32Array, { data, shape }: RequestInput): boolean {
  if (data instanceof Float64Array) return fillRow(into, data, 0);
  if (!Array.isArray(data) || into.length === 0 || into.length !== sizeOf(shape)) return false;
  if (!Array.isArray(data[0])) return data.length === into.length && fillRow(into, data, 0);
  for (let row = 0; row < data.length; row++) {
    const values: unknown = data[row];
    if (!Array.isArray(values) || values.length !== shape[1] || !fillRow(into, values, row * shape[1])) return false;
  }
  return true;
}

function fillRow(into: Float32Array, values: ArrayLike<unknown>, at: number): boolean {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== 'number' || !(value >= -largestFloat32 && value <= largestFloat32)) return false;
    into[at + i] = value;
  }
  return true;
}
