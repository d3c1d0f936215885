import { PerennialError } from './errors.js';
import { murmur3 } from './murmur3.js';

/** One live variant with its share of the traffic, in [0, 1]. */
export type WeightedVariant = { readonly version: string; readonly weight: number };

/** Sharing is exact to one part in this many. */
export const bucketCount = 10_000;

/** Bucket of a caller in an experiment, 0 to 9,999: MurmurHash3 of salt and key. The same key always falls in the same bucket of one salt. */
export function bucketOf(salt: string, key: string): number {
  return murmur3(`${salt}\u0000${key}`) % bucketCount;
}

/**
 * Chooses who answers: the first variant whose cumulative weight lies above the caller's bucket. Variants stand champion
 * first, so as the challenger's share grows its range only grows to the left, and nobody who has met it is moved back.
 *
 * `key` is the caller's own key (sticky), or, for a caller without one, a random number in [0, 1).
 * Weights need not sum to 1 exactly: what rounding leaves goes to the last variant with a weight; a weight of 0 is never
 * chosen. Throws `Unavailable` when no variant has a weight.
 */
export function pickVariant({ variants, salt, key }: { variants: readonly WeightedVariant[]; salt: string; key: string | number }): string {
  const bucket = typeof key === 'number' ? Math.floor(key * bucketCount) : bucketOf(salt, key);
  let cumulative = 0;
  let last: string | undefined;
  for (const { version, weight } of variants) {
    if (!(weight > 0)) continue;
    cumulative += weight;
    last = version;
    if (bucket < Math.round(cumulative * bucketCount)) return version;
  }
  if (last !== undefined) return last;
  throw new PerennialError(
    'Unavailable',
    'No variant has a share of the traffic: the route names none with a weight above 0. Promote or roll back to a version.',
  );
}
