import type { TrainingActivities } from '../contracts/activities.js';
import type { HyperparameterValue } from '../domain/model-definition.js';

/**
 * One point of a tracked metric. `name` says whose it is: `train/mape`, `trial-007/mape`; `step` is the round; `value` is
 * null where it could not be measured.
 */
export type TrackedMetric = { readonly name: string; readonly step: number; readonly value: number | null; readonly atMs: number };

/** Where metrics of a run are kept while it trains. Logging the same (name, step) twice keeps one point. */
export type RunMetrics = { log(entry: { model: string; run: string; metrics: readonly TrackedMetric[] }): Promise<void> };

/** Suggests the next trial of a study; pure in its input. */
export type Suggester = {
  suggest(input: Parameters<TrainingActivities['suggestTrial']>[0]): Promise<Record<string, HyperparameterValue>>;
};

/** What a training activity needs of Temporal's activity context. */
export type ActivityContext = {
  heartbeat(details: unknown): void;
  /** Details of the last heartbeat of the attempt before. */
  readonly heartbeatDetails: unknown;
  readonly cancellationSignal: AbortSignal;
  /** Never fulfilled; rejects when the activity is cancelled. */
  readonly cancelled: Promise<never>;
};
