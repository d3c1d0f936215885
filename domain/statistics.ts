import { betaCdf, betaQuantile } from './beta-distribution.js';

/** `events` out of `trials`. Whole numbers, 0 <= events <= trials. */
export type Proportion = { readonly events: number; readonly trials: number };

/**
 * Quantile of Student's t with `degrees` of freedom: 0.975 and 10 give 2.2281. Through the beta distribution:
 * with y = t^2 / (degrees + t^2), P(|T| <= t) = I_y(1/2, degrees/2). NaN where p or degrees is none.
 */
export function studentTQuantile(p: number, degrees: number): number {
  if (!(p > 0 && p < 1 && degrees > 0 && Number.isFinite(degrees))) return NaN;
  if (p < 0.5) return -studentTQuantile(1 - p, degrees);
  const y = betaQuantile(2 * p - 1, 0.5, degrees / 2);
  return Math.sqrt((degrees * y) / (1 - y));
}

/**
 * Clopper-Pearson interval of a proportion (Biometrika 26, 1934): exact, each side is wrong with probability at most
 * `tail`. With no events the upper end is 1 - tail^(1/trials). Null when there was no trial or the counts are none.
 */
export function clopperPearson({ events, trials }: Proportion, tail: number): { readonly lower: number; readonly upper: number } | null {
  if (!isProportion({ events, trials }) || trials === 0) return null;
  return {
    lower: events === 0 ? 0 : betaQuantile(tail, events, trials - events + 1),
    upper: events === trials ? 1 : betaQuantile(1 - tail, events + 1, trials - events),
  };
}

/** P(X >= events) for X ~ Binomial(trials, rate): how likely it is to see at least this much by chance. NaN when the counts are none. */
export function binomialUpperTail({ events, trials }: Proportion, rate: number): number {
  if (!isProportion({ events, trials }) || !(rate >= 0 && rate <= 1)) return NaN;
  return events === 0 ? 1 : betaCdf(rate, events, trials - events + 1);
}

/**
 * Trials without one event that show, with confidence 1 - tail, a rate below `limit`: the least n with
 * (1 - limit)^n < tail. A limit of 0.1% at 95% takes 2,995. Infinity for a limit of 0.
 */
export function cleanTrialsNeeded(limit: number, tail: number): number {
  if (!(limit >= 0 && limit <= 1 && tail > 0 && tail < 1)) return NaN;
  return Math.floor(Math.log(tail) / Math.log1p(-limit)) + 1;
}

/**
 * Ranks (from 1) of the order statistics that enclose a quantile with at least `level` confidence, whatever the
 * distribution (Hahn and Meeker, "Statistical Intervals", 5.2): the interval [x_(lower), x_(upper)]. An end is null while `count`
 * is too small to have such a rank (the upper end of a 95th percentile at 95% takes 72 values).
 */
export function quantileRanks({ count, quantile, level }: { count: number; quantile: number; level: number }): {
  readonly lower: number | null;
  readonly upper: number | null;
} {
  if (!Number.isInteger(count) || count < 1 || !(quantile > 0 && quantile < 1 && level > 0 && level < 1))
    return { lower: null, upper: null };
  const tail = (1 - level) / 2;
  // x_(r) <= q with probability P(Bin(count, quantile) >= r).
  const lower = lastWhere(count, (rank) => binomialUpperTail({ events: rank, trials: count }, quantile) >= 1 - tail);
  // x_(r) >= q with probability P(Bin(count, quantile) <= r - 1).
  const below = lastWhere(count, (rank) => binomialUpperTail({ events: rank, trials: count }, quantile) > tail);
  const upper = below + 1;
  return { lower: lower === 0 ? null : lower, upper: upper > count ? null : upper };
}

/** The largest rank in 1..count for which a condition that only turns from true to false still holds; 0 when none. */
function lastWhere(count: number, holds: (rank: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (holds(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

function isProportion({ events, trials }: Proportion): boolean {
  return Number.isInteger(events) && Number.isInteger(trials) && events >= 0 && events <= trials;
}
