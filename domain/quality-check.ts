import { formatCount, formatNumber, formatPercent } from './format.js';
import type { IntervalMethod } from './interval-method.js';
import type { RolloutLimits } from './rollout-plan.js';
import type { CheckResult, ErrorPair } from './rollout-verdict.js';

export type QualityLimit = NonNullable<RolloutLimits['quality']>;

/** Both variants' errors on the pairs that count, in the order of the pairs. */
export type PairedErrors = {
  readonly champion: readonly number[];
  readonly challenger: readonly number[];
  /** Pairs under the floor. */
  readonly excluded: number;
  /** Pairs with a label, an answer or an error that is not a finite number. */
  readonly broken: number;
};

/**
 * Errors of both variants pair by pair: |predicted - actual| / actual over pairs whose actual reaches the floor (`ape`),
 * or |predicted - actual| over those same pairs (`absoluteError`). One labelled question is one pair, however often it
 * was asked.
 */
export function pairedErrors(pairs: readonly ErrorPair[], quality: QualityLimit): PairedErrors {
  const champion: number[] = [];
  const challenger: number[] = [];
  let excluded = 0;
  let broken = 0;
  for (const pair of pairs) {
    if (pair.actual < quality.floor || (quality.metric === 'ape' && pair.actual === 0)) {
      excluded += 1;
      continue;
    }
    const scale = quality.metric === 'ape' ? Math.abs(pair.actual) : 1;
    const ours = Math.abs(pair.challenger - pair.actual) / scale;
    const theirs = Math.abs(pair.champion - pair.actual) / scale;
    if (!Number.isFinite(ours) || !Number.isFinite(theirs)) {
      broken += 1;
      continue;
    }
    champion.push(theirs);
    challenger.push(ours);
  }
  return { champion, challenger, excluded, broken };
}

/** What there is where labels judge nothing. */
export const noErrors: PairedErrors = { champion: [], challenger: [], excluded: 0, broken: 0 };

/** Mean of the errors, null when there is none. */
export function meanError(errors: readonly number[]): number | null {
  if (errors.length === 0) return null;
  const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  return Number.isFinite(mean) ? mean : null;
}

type QualityInput = {
  readonly errors: PairedErrors;
  readonly limits: Pick<RolloutLimits, 'quality' | 'minPairs'>;
  /** The step's `maxLoss`, a share of the champion's error. */
  readonly maxLoss: number;
  readonly method: IntervalMethod;
  readonly hasChampion: boolean;
};

/**
 * The challenger's loss: the mean of (its error - the champion's) over the pairs, relative to the champion's mean error,
 * with its two-sided interval. Fails when the interval lies wholly on the worse side (then also when the loss is within
 * `maxLoss`: worse for sure is worse), passes when its upper end is below `maxLoss`, holds otherwise and while there
 * are fewer than `minPairs`. `notShown` without a champion, and where the limits name no quality.
 */
export function checkQuality({ errors, limits, maxLoss, method, hasChampion }: QualityInput): CheckResult {
  const count = errors.champion.length;
  const shared = { check: 'quality', measured: null, limit: maxLoss, count } as const;
  const { quality } = limits;
  if (quality === undefined) return { ...shared, outcome: 'notShown', reason: 'the definition judges no rollout by labels' };
  if (!hasChampion) return { ...shared, outcome: 'notShown', reason: 'there is no champion to compare predictions with' };
  const pairs = `${formatCount(count, 'labelled pair')}${quality.floor > 0 ? ` with an actual of at least ${formatNumber(quality.floor)}` : ''}`;
  if (errors.broken > 0)
    return {
      ...shared,
      outcome: 'hold',
      reason: `${formatCount(errors.broken, 'pair')} without a finite answer or label, beside ${pairs}`,
    };
  const theirs = meanError(errors.champion);
  const ours = meanError(errors.challenger);
  if (!(count >= limits.minPairs) || theirs === null || ours === null)
    return { ...shared, outcome: 'hold', reason: `${pairs}; ${formatNumber(Math.max(2, limits.minPairs))} are needed` };
  const interval = method.ofMean(errors.challenger.map((error, index) => error - (errors.champion[index] ?? NaN)));
  if (interval === null) return { ...shared, outcome: 'hold', reason: `${pairs} give no interval yet` };
  if (theirs === 0) {
    const worse = interval.lower > 0;
    return {
      ...shared,
      outcome: worse ? 'failed' : 'hold',
      reason: `the champion made no error over ${pairs}${worse ? ', the challenger did' : ': there is nothing to relate a loss to'}`,
    };
  }
  const relative = { ...interval, lower: interval.lower / theirs, upper: interval.upper / theirs };
  const found = { ...shared, measured: (ours - theirs) / theirs, interval: relative };
  const figure = `error ${write(quality, ours)} against the champion's ${write(quality, theirs)} over ${pairs}: ${signed(found.measured)} of it, between ${signed(relative.lower)} and ${signed(relative.upper)} with ${formatPercent(interval.level)} confidence; largest loss ${formatPercent(maxLoss)}`;
  if (relative.lower > 0) return { ...found, outcome: 'failed', reason: `${figure}; worse for sure` };
  if (relative.upper < maxLoss) return { ...found, outcome: 'passed', reason: figure };
  return { ...found, outcome: 'hold', reason: `${figure}; more labels must tell` };
}

function write(quality: QualityLimit, error: number): string {
  return quality.metric === 'ape' ? formatPercent(error) : formatNumber(error);
}

function signed(share: number): string {
  return `${share > 0 ? '+' : ''}${formatPercent(share)}`;
}
