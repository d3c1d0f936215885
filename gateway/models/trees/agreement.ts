import { repeatableRandom } from '../repeatable-random.js';
import type { TreeEnsemble } from './tree-ensemble.js';

/** Rows that two ways to run an ensemble are compared on. */
export const comparedRows = 512;
/** What may lie between two computations of the exponential function, in units of the last place of a 32-bit float. */
const mostUlps = 2;

/**
 * Rows that lie where mistakes would show: on thresholds of the ensemble itself, right beside them, and between; absent
 * values, zeros of both signs and infinities among them. The same each time.
 */
export function tellingRows({ features, values }: TreeEnsemble, width: number): Float32Array {
  const thresholds = Array.from({ length: width }, (): number[] => []);
  for (let node = 0; node < features.length; node++) if (features[node]! >= 0) thresholds[features[node]!]!.push(values[node]!);
  const rows = new Float32Array(comparedRows * width);
  const random = repeatableRandom();
  const odd = [Number.NaN, 0, -0, Infinity, -Infinity];
  for (let i = 0; i < rows.length; i++) {
    const known = thresholds[i % width]!;
    const [kind, at] = [random(), random()];
    const near = known.length === 0 ? at - 0.5 : known[Math.floor(at * known.length)]!;
    // The last quarter of the rows alone has what few requests have.
    if (i >= rows.length * 0.75 && kind < 0.1) rows[i] = odd[Math.floor(random() * odd.length)]!;
    else if (kind < 0.4) rows[i] = near;
    else rows[i] = near + (random() - 0.5) * (kind < 0.7 ? 1e-6 : 1) * Math.max(1, Math.abs(near));
  }
  return rows;
}

/** Whether two answers are the same: bit by bit, or, where an exponential ends the computation, next to each other. */
export function agree(ensemble: TreeEnsemble, one: Float32Array, other: Float32Array): boolean {
  if (one.length !== other.length) return false;
  const [a, b] = [bitsOf(one), bitsOf(other)];
  const tolerated = ensemble.after.length * mostUlps;
  for (let i = 0; i < a.length; i++) {
    const bothAbsent = Number.isNaN(one[i]) && Number.isNaN(other[i]);
    if (a[i] !== b[i] && !bothAbsent && !(Math.abs(a[i]! - b[i]!) <= tolerated)) return false;
  }
  return true;
}

function bitsOf(floats: Float32Array): Int32Array {
  return new Int32Array(floats.slice().buffer);
}
