import { formatCount, formatLatency, formatNumber } from './format.js';
import type { RolloutLimits } from './rollout-plan.js';
import type { CheckResult, VariantMeasurement } from './rollout-verdict.js';

/** The median of this few already proves a P95 beyond the absolute limit: with 5% above, half of ten is a chance of 1 in 15,000. */
const clearByMedian = 10;
/** Comparing two medians, or an end of an interval, takes a little more. */
const clearByComparison = 20;

type LatencyInput = {
  readonly champion: VariantMeasurement | null;
  readonly challenger: VariantMeasurement;
  readonly limits: RolloutLimits;
  /** Whether the step's interval is over: only then does a P95 alone fail, where no interval of it was measured. */
  readonly intervalOver: boolean;
};

/**
 * The challenger's P95 against the absolute limit. A clear breach (the median beyond the limit, or the lower end of the
 * P95's interval) fails within tens of requests; a P95 below the limit over enough requests passes; a P95 beyond it
 * that chance may explain holds. No figure holds.
 */
export function checkLatency({ challenger, limits, intervalOver }: LatencyInput): CheckResult {
  const { requests, p50Ms, p95Ms } = challenger;
  const limit = limits.maxP95Ms;
  const shared = { check: 'latency', measured: usable(p95Ms) ? p95Ms : null, limit, count: requests } as const;
  if (!(requests > 0) || !usable(p95Ms)) return { ...shared, outcome: 'hold', reason: 'no latency of the challenger was measured yet' };
  const figure = `P95 ${formatLatency(p95Ms)} over ${formatCount(requests, 'request')}; limit ${formatLatency(limit)}`;
  const lower = challenger.p95LowerMs;
  if (requests >= clearByMedian && usable(p50Ms) && p50Ms > limit)
    return { ...shared, outcome: 'failed', reason: `${figure}; even the median is ${formatLatency(p50Ms)}` };
  if (requests >= clearByComparison && usable(lower) && lower > limit)
    return { ...shared, outcome: 'failed', reason: `${figure}; at least ${formatLatency(lower)} with 97.5% confidence` };
  if (!(requests >= limits.minRequests))
    return { ...shared, outcome: 'hold', reason: `${figure}; ${formatNumber(limits.minRequests)} requests are needed` };
  if (p95Ms < limit) return { ...shared, outcome: 'passed', reason: figure };
  return unclear({ shared, figure, known: usable(lower), intervalOver });
}

/**
 * The challenger's P95 as a factor of the champion's over the same time. `notShown` without a champion; passes while
 * the factor is within its limit, or while the challenger is at or below `latencyRatioFloorMs`; fails on a clear breach.
 */
export function checkLatencyRatio({ champion, challenger, limits, intervalOver }: LatencyInput): CheckResult {
  const factor = limits.maxP95RatioToChampion;
  const shared = { check: 'latencyRatio', measured: null, limit: factor, count: challenger.requests } as const;
  if (champion === null) return { ...shared, outcome: 'notShown', reason: 'there is no champion to compare latencies with' };
  const ours = challenger.p95Ms;
  const theirs = champion.p95Ms;
  if (!(challenger.requests > 0) || !(champion.requests > 0) || !usable(ours) || !usable(theirs) || theirs === 0) {
    return { ...shared, outcome: 'hold', reason: 'latencies of both variants over the same time were not measured yet' };
  }
  const found = { ...shared, measured: ours / theirs };
  const figure = `P95 ${formatLatency(ours)} is ${formatNumber(Number((ours / theirs).toFixed(2)))} times the champion's ${formatLatency(theirs)}; limit ${formatNumber(factor)} times`;
  const enough = challenger.requests >= limits.minRequests && champion.requests >= limits.minRequests;
  const floor = limits.latencyRatioFloorMs ?? 0;
  if (ours <= floor) {
    if (enough) return { ...found, outcome: 'passed', reason: `${figure}; not counted up to ${formatLatency(floor)}` };
  } else if (isClearlySlower({ champion, challenger, factor, floor })) {
    return { ...found, outcome: 'failed', reason: `${figure}, over ${formatCount(challenger.requests, 'request')}, and not by chance` };
  }
  if (!enough) return { ...found, outcome: 'hold', reason: `${figure}; ${formatNumber(limits.minRequests)} requests to each are needed` };
  if (ours <= factor * theirs) return { ...found, outcome: 'passed', reason: figure };
  return unclear({ shared: found, figure, known: usable(challenger.p95LowerMs), intervalOver });
}

function isClearlySlower({
  champion,
  challenger,
  factor,
  floor,
}: {
  champion: VariantMeasurement;
  challenger: VariantMeasurement;
  factor: number;
  floor: number;
}): boolean {
  if (challenger.requests < clearByComparison || champion.requests < clearByComparison) return false;
  if (usable(challenger.p95LowerMs)) {
    const most = usable(champion.p95UpperMs) ? champion.p95UpperMs : champion.p99Ms;
    return usable(most) && challenger.p95LowerMs > factor * most && challenger.p95LowerMs > floor;
  }
  // Without intervals: the whole distribution has moved, and not its tail alone.
  const both = [champion.p50Ms, challenger.p50Ms, champion.p95Ms, challenger.p95Ms];
  if (!both.every(usable)) return false;
  return (challenger.p50Ms ?? NaN) > factor * (champion.p50Ms ?? NaN) && (challenger.p95Ms ?? NaN) > factor * (champion.p95Ms ?? NaN);
}

function unclear({
  shared,
  figure,
  known,
  intervalOver,
}: {
  shared: Omit<CheckResult, 'outcome' | 'reason'>;
  figure: string;
  known: boolean;
  intervalOver: boolean;
}): CheckResult {
  return intervalOver && !known
    ? { ...shared, outcome: 'failed', reason: `${figure}; beyond it at the end of the interval` }
    : { ...shared, outcome: 'hold', reason: `${figure}; beyond it, but so few requests may do that by chance` };
}

function usable(value: number | null | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
