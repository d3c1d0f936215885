import type { LifecycleState } from '../../contracts/lifecycle.js';
import type { RolloutStatus } from '../../contracts/rollout.js';
import type { ClockRef } from '../../domain/clock.js';
import type { ModelDefinition } from '../../domain/model-definition.js';
import type { ApiRegistry } from './registry.js';

/** What the control API answers, as its TypeScript client sees it. */

type Answer<Name extends keyof ApiRegistry> = Awaited<ReturnType<ApiRegistry[Name]>>;

export type ModelSummary = Answer<'models'>[number];
export type ModelDetails = { readonly model: string; readonly digest: string; readonly definition: ModelDefinition };
export type RunSummary = Answer<'runs'>[number];
export type RunDetails = Answer<'run'>;
export type MetricPoint = Answer<'curve'>[number];
export type VersionSummary = Answer<'versions'>[number];
export type VersionDetails = Answer<'version'>;
export type AliasPeriod = Answer<'aliasHistory'>[number];
export type RolloutView = NonNullable<Answer<'rollout'>>;
export type Investigation = Answer<'investigations'>[number];
export type Person = Answer<'people'>[number];
export type PolicyVersion = Answer<'policyHistory'>[number];
export type AuditRow = Answer<'audit'>[number];
export type AuditVerdict = Answer<'verifyAudit'>;
export type OutboxMessage = Answer<'outbox'>[number];
export type Publication = Answer<'publish'>[number];

/** `nowMs`: model time. */
export type ModelClock = { readonly clock: ClockRef; readonly nowMs: number };

/**
 * `lifecycle` is what the workflow says of itself; null when it was never started (`notStarted`) or no worker answered
 * in time (`noAnswer`), and the registry speaks alone.
 */
export type ModelStatus = Answer<'status'> &
  ModelClock & { readonly lifecycle: LifecycleState | null; readonly answeredBy: 'answers' | 'notStarted' | 'noAnswer' };

/** The newest rollout of a model, running or not; `live` is the workflow's own word while it runs. */
export type RolloutAnswer = { readonly rollout: RolloutView | null; readonly live: RolloutStatus | null };

export type LiveAt = {
  readonly model: string;
  readonly atMs: number;
  /** Null: nothing was live. */
  readonly version: string | null;
};
