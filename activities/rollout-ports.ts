import type { RolloutActivities } from '../contracts/activities.js';
import type { RolloutInput, RolloutResult } from '../contracts/rollout.js';
import type { StepEvidence } from '../domain/rollout-verdict.js';
import type { Measurement, ServableVersion } from './ports.js';

/** Measurements, and a cheap count that tells whether looking again can show anything new. */
export type RolloutMeasurement = Measurement & {
  /** Captures of a version (live and shadow) from `fromMs` on, and labels from `labelsFromMs` on; event time. */
  counts(input: { model: string; version: string; fromMs: number; labelsFromMs: number }): Promise<{ captures: number; labels: number }>;
};

/** A gateway with a fresh lease, the newest generation that it follows, and why it refused that one if it did. */
export type RouteFollower = {
  readonly id: string;
  readonly url: string;
  readonly generation: number | null;
  readonly refused: string | null;
};

/** How far the gateways with a fresh lease have followed a model's route. */
export type RouteFollowers = {
  /** Newest generation of the route; 0 when there is none. */
  readonly newest: number;
  readonly gateways: readonly RouteFollower[];
};

type Answer<Name extends keyof RolloutActivities> = Awaited<ReturnType<RolloutActivities[Name]>>;
type Input<Name extends keyof RolloutActivities> = Parameters<RolloutActivities[Name]>[0];

/**
 * What is live and how it changes. Each change is one transaction, made once by its domain key: the second call finds the
 * first one's effect and answers the same. Changes of one model stand in line.
 */
export type RolloutStore = {
  /** `Conflict` when an investigation of this version is open, another rollout of the model runs, or the champion is another. */
  begin(input: RolloutInput): Promise<void>;
  /** `Conflict` when the rollout is over, or the champion is no longer the one it compares with. */
  applyRoute(input: Input<'applyRoute'>): Promise<Answer<'applyRoute'>>;
  followers(model: string): Promise<RouteFollowers>;
  version(model: string, version: string): Promise<ServableVersion>;
  /** Throws `Conflict` when the rollout is over, saying how it ended. */
  requireRunning(promotionId: string): Promise<void>;
  /** Keeps the newest look at a step for those who watch; one that is older than what is kept is let go. */
  recordLook(input: { promotionId: string; stepIndex: number; evidence: StepEvidence }): Promise<void>;
  recordStep(input: { promotionId: string; stepIndex: number; evidence: StepEvidence }): Promise<void>;
  /** The generation that promoted, or null when this rollout has not promoted. */
  promoted(promotionId: string): Promise<{ generation: number } | null>;
  /** `NotApproved` when the version's approval is not `approved`; `Conflict` when the rollout is over or the champion another. */
  promote(input: Input<'promote'>): Promise<Answer<'promote'>>;
  takeBack(input: Input<'takeBack'>): Promise<Answer<'takeBack'>>;
  end(input: RolloutResult): Promise<void>;
  /** Takes back what answers callers now; see `rollback` in adapters/postgres/serving. `Conflict` when there is nothing to go back to. */
  rollback(input: Input<'rollback'>): Promise<Answer<'rollback'>>;
};
