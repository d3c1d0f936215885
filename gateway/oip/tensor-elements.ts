import { kindOf, quote } from './oip-request.js';
import { invalid } from '../http/request-error.js';
import type { ElementType, TensorData } from '../models/tensors.js';
import { emptyData } from '../models/tensors.js';

const bounds: Partial<Record<ElementType, readonly [number, number]>> = {
  int8: [-128, 127],
  int16: [-32_768, 32_767],
  int32: [-2_147_483_648, 2_147_483_647],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint8: [0, 255],
  uint16: [0, 65_535],
  uint32: [0, 4_294_967_295],
  uint64: [0, Number.MAX_SAFE_INTEGER],
  float32: [-3.4028234663852886e38, 3.4028234663852886e38],
  float64: [-Number.MAX_VALUE, Number.MAX_VALUE],
};

/** JSON values as the elements of a tensor. Throws a `RequestError` naming the first that is of another type or out of its range. */
export function readElements(input: { name: string; type: ElementType; values: readonly unknown[] }): TensorData {
  const { name, type, values } = input;
  const refuse = (index: number, expected: string): never => {
    const found = values[index];
    throw invalid(
      `input ${quote(name)}, element ${index}, is ${typeof found === 'number' ? found : kindOf(found)}: ${expected} is expected`,
    );
  };
  if (type === 'string') {
    values.forEach((value, index) => typeof value === 'string' || refuse(index, 'text'));
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
    if (typeof value !== 'number' || !(isFloat || Number.isInteger(value))) refuse(index, isFloat ? 'a finite number' : 'a whole number');
    // JSON numbers carry integers exactly only within 2^53, so INT64 and UINT64 beyond that are refused rather than rounded.
    const number = value as number;
    if (!(number >= low && number <= high)) refuse(index, `a number from ${low} to ${high}`);
    data[index] = isBig ? BigInt(number) : number;
  });
  return data;
}
