import { quantileRanks } from '../../../domain/statistics.js';

/** Latencies in ascending order, equal ones as one entry. */
export type LatencyCounts = readonly { readonly latencyMs: number; readonly count: number }[];

/**
 * Quantiles of a distribution (linear interpolation between the two nearest ranks, as Postgres's `percentile_cont`), and
 * the order statistics that enclose the P95 with 95% confidence. All null without a latency.
 */
export function latencyFigures(latencies: LatencyCounts) {
  const total = latencies.reduce((sum, { count }) => sum + count, 0);
  const quantile = (q: number): number | null => {
    if (total === 0) return null;
    const place = q * (total - 1) + 1;
    const below = atRank(latencies, Math.floor(place));
    const above = atRank(latencies, Math.ceil(place));
    return below + (above - below) * (place - Math.floor(place));
  };
  const { lower, upper } = quantileRanks({ count: total, quantile: 0.95, level: 0.95 });
  const end = (rank: number | null) => (rank === null ? null : atRank(latencies, rank));
  return { p50Ms: quantile(0.5), p95Ms: quantile(0.95), p99Ms: quantile(0.99), p95LowerMs: end(lower), p95UpperMs: end(upper) };
}

/** The value at a rank, counted from 1; NaN beyond the last. */
function atRank(latencies: LatencyCounts, rank: number): number {
  let passed = 0;
  for (const { latencyMs, count } of latencies) {
    passed += count;
    if (rank <= passed) return latencyMs;
  }
  return NaN;
}
