import { studentTQuantile } from './statistics.js';

/** A two-sided interval of a mean, with the confidence it has and how it was made. */
export type MeanInterval = { readonly lower: number; readonly upper: number; readonly level: number; readonly method: 'paired-t' };

/**
 * How sure we are of a mean difference. Rules see only this type, so that a method that stays valid at any number of
 * looks can take the place of the t interval, which is exact for one look and too narrow for many.
 */
export type IntervalMethod = {
  /** Interval of the mean of these differences, in their order of time; null when they cannot have one (fewer than two, or not all finite). */
  ofMean(differences: readonly number[]): MeanInterval | null;
};

/**
 * The paired t interval: mean +- t(1 - (1 - level) / 2, n - 1) * s / sqrt(n). Differences that are all equal have an
 * interval of no width.
 */
export function pairedT(level: number): IntervalMethod {
  return {
    ofMean(differences) {
      const count = differences.length;
      if (count < 2 || !differences.every(Number.isFinite)) return null;
      const mean = differences.reduce((sum, value) => sum + value, 0) / count;
      const variance = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
      const half = studentTQuantile(1 - (1 - level) / 2, count - 1) * Math.sqrt(variance / count);
      if (!Number.isFinite(mean) || !Number.isFinite(half)) return null;
      return { lower: mean - half, upper: mean + half, level, method: 'paired-t' };
    },
  };
}
