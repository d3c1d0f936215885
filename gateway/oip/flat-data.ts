import { invalid } from '../http/request-error.js';
import { kindOf, quote } from './oip-request.js';
import type { RequestInput } from './oip-request.js';
import { sizeOf } from '../models/tensors.js';
import { UnfitData } from './unfit-data.js';

/**
 * The elements of an input's `data`, row-major, whether it came flat or nested as its shape says. Throws a
 * `RequestError` when the number of elements or the nesting does not agree with the shape.
 */
export function flatData(input: RequestInput): readonly unknown[] {
  const { data, shape } = input;
  if (data instanceof Float64Array) return data as ArrayLike<unknown> as readonly unknown[];
  if (!Array.isArray(data)) {
    if (data instanceof UnfitData) throw invalid(data.message);
    if (shape.length === 0) return [data];
    throw invalid(`input ${quote(input.name)}: data is ${kindOf(data)}: a list is expected`);
  }
  const size = sizeOf(shape);
  if (shape.length <= 1 || !Array.isArray(data[0])) {
    if (data.length !== size)
      throw invalid(`input ${quote(input.name)}: data has ${data.length} elements, shape [${shape.join(',')}] needs ${size}`);
    return data;
  }
  const flat: unknown[] = [];
  gather({ name: input.name, shape, flat }, data, 0);
  return flat;
}

function gather(into: { name: string; shape: readonly number[]; flat: unknown[] }, part: unknown, depth: number): void {
  if (depth === into.shape.length) {
    into.flat.push(part);
    return;
  }
  if (!Array.isArray(part))
    throw invalid(
      `input ${quote(into.name)}: data holds ${kindOf(part)} at depth ${depth}: a list of ${into.shape[depth]} is expected there`,
    );
  if (part.length !== into.shape[depth]) {
    throw invalid(
      `input ${quote(into.name)}: data has ${part.length} elements at depth ${depth}, shape [${into.shape.join(',')}] needs ${into.shape[depth]}`,
    );
  }
  for (const item of part as unknown[]) gather(into, item, depth + 1);
}
