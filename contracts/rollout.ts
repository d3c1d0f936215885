import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { ClockRef } from '../domain/clock.js';
import type { RolloutLimits, RolloutPlan } from '../domain/rollout-plan.js';
import type { StepEvidence } from '../domain/rollout-verdict.js';

export type RolloutInput = {
  readonly model: string;
  readonly version: string;
  /** Null: nothing is live; the plan is then `direct` (smoke, promote). */
  readonly champion: string | null;
  /** Domain key of every effect of this rollout: `<model>:<version>:<attempt>`. */
  readonly promotionId: string;
  readonly run: string | null;
  readonly plan: RolloutPlan;
  readonly limits: RolloutLimits;
  readonly clock: ClockRef;
  readonly requestedBy: string;
};

export type RolloutOutcome = 'promoted' | 'rolledBack' | 'superseded' | 'aborted' | 'failed';

export type RolloutResult = {
  readonly model: string;
  readonly version: string;
  readonly promotionId: string;
  readonly outcome: RolloutOutcome;
  readonly reason: string;
  /** Evidence of each step, last look only; under 32 KB together. */
  readonly steps: readonly StepEvidence[];
};

export type RolloutStatus = {
  readonly model: string;
  readonly version: string;
  readonly champion: string | null;
  readonly plan: string;
  readonly stepIndex: number;
  readonly stepName: string;
  readonly share: number;
  readonly evidence: readonly StepEvidence[];
  readonly outcome: RolloutOutcome | 'running' | 'paused';
};

/** A person's hand on a rollout. Each answers at once; refusals are results, with the reason. */
export type RolloutCommand = { readonly by: string; readonly reason: string };
export type CommandAnswer = { readonly accepted: true; readonly message: string } | { readonly accepted: false; readonly reason: string };

/** Go to 100% now, leaving out the remaining steps (recorded; the verdict so far goes with it). */
export const promoteUpdate = defineUpdate<CommandAnswer, [RolloutCommand]>('promote');
/** Take all traffic back to the champion now. */
export const abortUpdate = defineUpdate<CommandAnswer, [RolloutCommand]>('abort');
/** Let a step that holds go on with a fresh deadline. */
export const resumeStepUpdate = defineUpdate<CommandAnswer, [RolloutCommand]>('resumeStep');
export const rolloutStatusQuery = defineQuery<RolloutStatus>('status');
