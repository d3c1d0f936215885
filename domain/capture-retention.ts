import type { ModelDefinition } from './model-definition.js';
import type { RolloutPlan } from './rollout-plan.js';
import { choosePlan } from './rollout-plans.js';

const dayMs = 24 * 3_600_000;

/** How long captures are kept when a definition does not say. */
export const usualRetentionDays = 90;

/** Longest that a rollout by a plan can run, from its first step to its last look. Model time. */
export function longestRolloutMs({ steps, soakMs }: RolloutPlan): number {
  return steps.reduce((sum, step) => sum + ('deadlineMs' in step ? step.deadlineMs : 0), soakMs);
}

/** The plan that a model's next version rolls out by, once one is live. */
export function planOf({ rollout, risk, serving }: Pick<ModelDefinition, 'rollout' | 'risk' | 'serving'>): RolloutPlan {
  return choosePlan({ named: rollout.plan, risk, endpointKind: serving.endpointKind, hasChampion: true });
}

type Kept = Pick<ModelDefinition, 'rollout' | 'risk' | 'serving' | 'labels'>;

/**
 * Least whole days that captures must be kept: a rollout looks back to its beginning, at pairs whose labels come late. Nothing
 * looks back further: training reads its source, and features read outcomes, which are kept apart from captures.
 */
export function leastRetentionDays(definition: Kept): number {
  return Math.ceil((longestRolloutMs(planOf(definition)) + definition.labels.expectedDelayMs) / dayMs);
}

/** How long captures of a model are kept, in wall time since they were made. */
export function captureRetentionMs(definition: Kept): number {
  return (definition.serving.capture?.retentionDays ?? Math.max(usualRetentionDays, leastRetentionDays(definition))) * dayMs;
}
