import type { MetricValue } from './metrics.js';

/** What a candidate must show before it may be registered as fit. Percentages are fractions. */
export type GateDefinition =
  | { readonly kind: 'maximum'; readonly metric: string; readonly limit: number; readonly minRows: number }
  | { readonly kind: 'minimum'; readonly metric: string; readonly limit: number; readonly minRows: number }
  /** Worse than the champion on the same rows by at most this share of the champion's figure (0 = not worse). Passes when there is no champion. */
  | { readonly kind: 'notWorseThanChampion'; readonly metric: string; readonly maxRelativeIncrease: number; readonly minRows: number }
  | LatencyGate;

/** P95 of single-row inference of the ONNX file, measured at evaluation. */
export type LatencyGate = { readonly kind: 'latency'; readonly maxP95Ms: number };

export type GateOutcome = 'passed' | 'refused' | 'notApplicable';

/** One gate's verdict with its evidence. */
export type GateResult = {
  readonly gate: GateDefinition;
  readonly outcome: GateOutcome;
  readonly measured: number | null;
  readonly limit: number | null;
  readonly count: number;
  /** One sentence a person understands, with the figures, the floor and the counts. */
  readonly reason: string;
};

/**
 * What gates are judged on. `champion` is null when there is none; else it holds the figures of both on the same rows,
 * those newer than the training rows of both (`candidateMetrics` may thus differ from `candidate`, which covers the whole hold-out).
 */
export type GateEvidence = {
  readonly candidate: readonly MetricValue[];
  readonly champion: {
    readonly version: string;
    readonly metrics: readonly MetricValue[];
    readonly candidateMetrics: readonly MetricValue[];
  } | null;
  readonly latencyP95Ms: number | null;
};
