import type { RolloutLimits, RolloutPlan } from '../../domain/rollout-plan.js';
import type { TriggerKind } from '../retrain.js';

export type LifecycleRecord = {
  readonly runCount: number;
  readonly lastRunAsOfMs: number | null;
  readonly paused: { readonly by: string; readonly reason: string; readonly atMs: number } | null;
  /** Runs whose row has no end, oldest first; the phase follows from their version's approval. */
  readonly active: readonly {
    readonly run: string;
    readonly asOfMs: number;
    readonly trigger: TriggerKind;
    readonly requestedBy: string;
    readonly phase: 'training' | 'awaitingApproval' | 'awaitingRollout' | 'rollingOut';
    readonly version: string | null;
  }[];
  readonly rollout: {
    readonly version: string;
    readonly champion: string | null;
    readonly promotionId: string;
    readonly run: string | null;
  } | null;
};

export type LifecycleActivities = {
  /** What to rebuild from after the workflow was lost: the run counter, runs without an end, the rollout without an end. */
  loadLifecycle(input: { model: string }): Promise<LifecycleRecord>;
  /** Stops or lets go the model's triggers, across a loss of the workflow; audited. */
  setPaused(input: {
    model: string;
    paused: { by: string; reason: string; atMs: number } | null;
    by: string;
    reason: string;
  }): Promise<void>;
  audit(input: {
    model: string;
    action: string;
    by: string;
    outcome: 'done' | 'refused' | 'failed';
    reason: string;
    details?: Record<string, unknown>;
    key?: string;
  }): Promise<void>;
  /** What a promotion by hand needs: the version's approval, plan and limits; `NotApproved` or `Conflict` with the reason. */
  planRollout(input: {
    model: string;
    version: string;
    requestedBy: string;
  }): Promise<{ plan: RolloutPlan; limits: RolloutLimits; champion: string | null; attempt: number; run: string | null }>;
};
