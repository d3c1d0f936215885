export type RolloutPlanName = 'fast' | 'standard' | 'slow' | 'shadow-then-canary' | 'blue-green' | 'direct';

/**
 * Limits a challenger must keep on live traffic, absolute and relative to the champion over the same time.
 * Rates and shares are fractions, relative limits factors of the champion's figure.
 */
export type RolloutLimits = {
  readonly maxP95Ms: number;
  readonly maxP95RatioToChampion: number;
  /** A challenger whose P95 is at or below this is never judged by the ratio: both are as good as instant. Absent: 0, the ratio always counts. */
  readonly latencyRatioFloorMs?: number;
  readonly maxErrorRate: number;
  readonly maxErrorRatioToChampion: number;
  /** Metric that pairs are judged by; `floor` as in its definition. Absent: labels do not judge the rollout. */
  readonly quality?: { readonly metric: 'ape' | 'absoluteError'; readonly floor: number };
  /** Fewer requests than this to the challenger in a step hold. */
  readonly minRequests: number;
  /** Fewer labelled pairs than this hold. */
  readonly minPairs: number;
};

/**
 * One step. `intervalMs` and `deadlineMs` are model time from the step's start: no step passes before its interval is
 * over, and a step that still holds at its deadline is rolled back. `maxLoss` is the largest share of the champion's
 * error by which the challenger may still be worse, shown by the upper bound of the paired interval.
 */
export type RolloutStep =
  | { readonly kind: 'smoke'; readonly name: string }
  | { readonly kind: 'shadow'; readonly name: string; readonly intervalMs: number; readonly deadlineMs: number; readonly maxLoss: number }
  | {
      readonly kind: 'canary';
      readonly name: string;
      readonly share: number;
      readonly intervalMs: number;
      readonly deadlineMs: number;
      readonly maxLoss: number;
    }
  | { readonly kind: 'promote'; readonly name: string };

export type RolloutPlan = {
  readonly name: RolloutPlanName;
  readonly version: number;
  readonly steps: readonly RolloutStep[];
  /** Least model time between the first live or shadowed request and 100%. */
  readonly soakMs: number;
};
