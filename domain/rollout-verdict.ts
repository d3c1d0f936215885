import type { RolloutLimits, RolloutStep } from './rollout-plan.js';

/** Live measurements of one variant over a window of model time. Latencies in milliseconds; null when there was no request. */
export type VariantMeasurement = {
  readonly version: string;
  readonly requests: number;
  readonly errors: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  /**
   * Distribution-free 95% interval of the P95: the latencies at the ranks of `quantileRanks` (domain/statistics.ts).
   * Without it a P95 beyond its limit is judged by the median too, and by itself only when the step's interval is over.
   */
  readonly p95LowerMs?: number | null;
  readonly p95UpperMs?: number | null;
};

/** The two variants' errors on one labelled question (for demand: an hour) that both answered. */
export type ErrorPair = { readonly subject: string; readonly actual: number; readonly champion: number; readonly challenger: number };

export type Measurements = {
  readonly fromMs: number;
  readonly toMs: number;
  readonly champion: VariantMeasurement | null;
  readonly challenger: VariantMeasurement;
  /** Predictions, not errors, of both, with the actual value; labelled and answered by both since the rollout began. */
  readonly pairs: readonly ErrorPair[];
};

/** `notShown`: the evidence cannot show this limit yet and the step does not wait for it; it is never reported as passed. */
export type CheckOutcome = 'passed' | 'failed' | 'hold' | 'notShown';

export type CheckResult = {
  readonly check: 'requests' | 'latency' | 'latencyRatio' | 'errorRate' | 'errorRatio' | 'quality' | 'smoke';
  readonly outcome: CheckOutcome;
  readonly measured: number | null;
  readonly limit: number | null;
  readonly count: number;
  /** Two-sided interval of the measured figure where it has one. */
  readonly interval?: {
    readonly lower: number;
    readonly upper: number;
    readonly level: number;
    readonly method: 'paired-t' | 'clopper-pearson';
  };
  readonly reason: string;
};

export type StepVerdict = {
  readonly outcome: 'pass' | 'fail' | 'hold';
  readonly checks: readonly CheckResult[];
  readonly reason: string;
};

export type StepEvidence = {
  readonly step: RolloutStep;
  readonly limits: RolloutLimits;
  readonly verdict: StepVerdict;
  readonly champion: VariantMeasurement | null;
  readonly challenger: VariantMeasurement | null;
  readonly pairs: number;
  readonly championError: number | null;
  readonly challengerError: number | null;
  readonly fromMs: number;
  readonly toMs: number;
};
