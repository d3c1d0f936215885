import { RequestError } from '../http/request-error.js';
import { flatData } from './flat-data.js';
import type { RequestInput } from './oip-request.js';
import type { FitRows, Unfit } from './unfit-data.js';

/** What is wrong with an input's data, of which `message` says it: all of them, and each row by itself. */
export function unfitOf(input: RequestInput, message: string): Unfit {
  const { data, shape } = input;
  if (!Array.isArray(data)) return { message, length: null, isNested: false, rows: null };
  const isNested = shape.length > 1 && Array.isArray(data[0]);
  return { message, length: data.length, isNested, rows: isNested && data.length === shape[0] ? fitRows(input, data) : null };
}

function fitRows(input: RequestInput, rows: readonly unknown[]): FitRows {
  const flat: unknown[] = [];
  const reasons = new Map<string, number>();
  const shape = [1, ...input.shape.slice(1)];
  let fit = 0;
  const places = Int32Array.from(rows, (row) => {
    try {
      for (const value of flatData({ ...input, shape, data: [row] })) flat.push(value);
      return fit++;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (!reasons.has(error.message)) reasons.set(error.message, reasons.size);
      return -1 - reasons.get(error.message)!;
    }
  });
  return { flat: numbersOrList(flat), places, reasons: [...reasons.keys()] };
}

/** A list as an array of numbers of their own kind, unless an element needs more than that can hold. */
export function numbersOrList(flat: readonly unknown[]): Float64Array | readonly unknown[] {
  return flat.every((value) => typeof value === 'number') ? Float64Array.from(flat as readonly number[]) : flat;
}
