import { quantileRanks } from '../../../domain/statistics.js';

/**
 * Latencies in ascending order, equal ones as one entry. Of latencies that are known to lie between two bounds (those of
 * a sketch's bin), `latencyMs` stands for all.
 */
export type LatencyCounts = readonly {
  readonly latencyMs: number;
  readonly count: number;
  readonly lowerMs?: number;
  readonly upperMs?: number;
}[];

/**
 * Quantiles of a distribution (linear interpolation between the two nearest ranks, as Postgres's `percentile_cont`), and
 * the order statistics that enclose the P95 with 95% confidence: of what is known within bounds, the outer ones. All null
 * without a latency.
 */
export function latencyFigures(latencies: LatencyCounts) {
  const total = latencies.reduce((sum, { count }) => sum + count, 0);
  const quantile = (q: number): number | null => {
    if (total === 0) return null;
    const place = q * (total - 1) + 1;
    const below = atRank(latencies, Math.floor(place))?.latencyMs ?? NaN;
    const above = atRank(latencies, Math.ceil(place))?.latencyMs ?? NaN;
    return below + (above - below) * (place - Math.floor(place));
  };
  const ranks = quantileRanks({ count: total, quantile: 0.95, level: 0.95 });
  const lower = ranks.lower === null ? undefined : atRank(latencies, ranks.lower);
  const upper = ranks.upper === null ? undefined : atRank(latencies, ranks.upper);
  return {
    p50Ms: quantile(0.5),
    p95Ms: quantile(0.95),
    p99Ms: quantile(0.99),
    p95LowerMs: lower === undefined ? null : (lower.lowerMs ?? lower.latencyMs),
    p95UpperMs: upper === undefined ? null : (upper.upperMs ?? upper.latencyMs),
  };
}

/** What lies at a rank, counted from 1. */
function atRank(latencies: LatencyCounts, rank: number): LatencyCounts[number] | undefined {
  let passed = 0;
  for (const entry of latencies) {
    passed += entry.count;
    if (rank <= passed) return entry;
  }
  return undefined;
}
