import type { RequestField } from '../../domain/model-definition.js';
import type { SignatureTensor } from '../plans/serving-plan.js';
import { repeatableRandom } from './repeatable-random.js';
import { sizeOf } from './tensors.js';

/** Digits of a made number: a picture of some 100,000 of them should still be a file that people open. */
const digits = 4;

type Bounds = Pick<RequestField, 'min' | 'max'>;

/**
 * A request of one row for a signature, the same each time: numbers from 0 to 1 (inside a field's bounds, where `fields` has
 * some), integers 0, booleans false, texts "example". Sizes that a request chooses are 1.
 */
export function madeExample(inputs: readonly SignatureTensor[], fields: readonly RequestField[]): { readonly inputs: readonly unknown[] } {
  const random = repeatableRandom();
  return {
    inputs: inputs.map(({ name, datatype, shape: open }) => {
      const shape = open.map((size) => (size === -1 ? 1 : size));
      const bounds = fields.find((field) => field.name === name) ?? {};
      return { name, shape, datatype, data: Array.from({ length: sizeOf(shape) }, () => element(datatype, { bounds, random })) };
    }),
  };
}

function element(datatype: string, { bounds, random }: { bounds: Bounds; random: () => number }): number | boolean | string {
  switch (datatype) {
    case 'BYTES':
      return 'example';
    case 'BOOL':
      return false;
    case 'FP32':
    case 'FP64':
      return within(Number(random().toFixed(digits)), bounds);
    default:
      return bounds.min !== undefined ? Math.ceil(bounds.min) : Math.min(0, Math.floor(bounds.max ?? 0));
  }
}

/** A share of the way between the bounds; up from a lower or down from an upper one that is alone. */
function within(share: number, { min, max }: Bounds): number {
  if (min !== undefined && max !== undefined) return Math.min(max, min + share * (max - min));
  return min !== undefined ? min + share : max !== undefined ? max - share : share;
}
