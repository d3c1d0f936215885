import type { RequestField } from '../../domain/model-definition.js';
import { elementTypes, sizeOf } from '../models/tensors.js';
import { flatData } from './flat-data.js';
import type { RequestInput } from './oip-request.js';
import { kindOf, quote } from './oip-request.js';
import { readRaw } from './raw-elements.js';
import { invalid } from '../http/request-error.js';

const largestFp32 = 3.4028234663852886e38;
const maxTextLength = 65_536;

/** Values of one field, one a row. Throws a `RequestError` that names the field, the row, what was expected and what was found. */
export function readField(field: RequestField, input: RequestInput): readonly (string | number | boolean)[] {
  const { datatype } = input;
  if (datatype !== field.datatype)
    throw invalid(`input ${quote(field.name)} has datatype ${quote(datatype)}: ${field.datatype} is expected`);
  const values = input.raw === undefined ? flatData(input) : plainValues(input, input.raw);
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    const expected = expectedOf(field, value);
    if (expected !== null) {
      throw invalid(
        `input ${quote(field.name)}, row ${row}, is ${typeof value === 'number' || typeof value === 'bigint' ? value : kindOf(value)}: ${expected} is expected`,
      );
    }
  }
  return values as (string | number | boolean)[];
}

/** Bytes as the values that JSON would have had. */
function plainValues({ name, datatype, shape }: RequestInput, raw: Uint8Array): readonly unknown[] {
  const data = readRaw({ name, type: elementTypes[datatype]!, count: sizeOf(shape), raw });
  if (datatype === 'BOOL') return Array.from(data as Uint8Array, (value) => value === 1);
  // A number that is not the integer any more is refused as such.
  return datatype === 'INT64' ? Array.from(data as BigInt64Array, Number) : Array.from(data as ArrayLike<unknown>);
}

/** What was expected of a value that does not fit the field; null when it fits. */
function expectedOf(field: RequestField, value: unknown): string | null {
  switch (field.datatype) {
    case 'BOOL':
      return typeof value === 'boolean' ? null : 'true or false';
    case 'BYTES':
      if (typeof value !== 'string') return 'text';
      return value.length > maxTextLength ? `text of at most ${maxTextLength} characters` : null;
    case 'INT64':
      if (typeof value !== 'bigint' && !Number.isInteger(value)) return 'a whole number';
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) return 'a whole number within 2^53, which JSON numbers carry exactly,';
      break;
    case 'FP32':
      if (typeof value !== 'number' || !Number.isFinite(value)) return 'a finite number';
      if (value > largestFp32 || value < -largestFp32) return 'a number within the range of FP32';
      break;
    case 'FP64':
      if (typeof value !== 'number' || !Number.isFinite(value)) return 'a finite number';
      break;
  }
  if (field.min !== undefined && value < field.min) return `at least ${field.min}`;
  if (field.max !== undefined && value > field.max) return `at most ${field.max}`;
  return null;
}
