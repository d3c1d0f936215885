import type { Kysely } from 'kysely';
import type { RolloutOutcome } from '../../../contracts/rollout.js';
import type { RolloutPlan } from '../../../domain/rollout-plan.js';
import type { StepEvidence } from '../../../domain/rollout-verdict.js';
import type { Database } from '../database.js';

/** A rollout with the newest evidence of each step that was looked at. Times are wall time. */
export type RolloutView = {
  readonly promotionId: string;
  readonly model: string;
  readonly version: string;
  readonly champion: string | null;
  readonly plan: RolloutPlan;
  readonly status: 'running' | RolloutOutcome;
  readonly reason: string | null;
  readonly requestedBy: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
  /** `decided`: the step's final evidence; else the newest look. */
  readonly steps: readonly {
    readonly stepIndex: number;
    readonly evidence: StepEvidence;
    readonly decided: boolean;
    readonly lookedAtMs: number;
  }[];
};

/** One rollout by its promotion id, or null. */
export async function rolloutTable(db: Kysely<Database>, promotionId: string): Promise<RolloutView | null> {
  const rollout = await db.selectFrom('rollouts').selectAll().where('promotion_id', '=', promotionId).executeTakeFirst();
  if (rollout === undefined) return null;
  const steps = await db.selectFrom('rollout_steps').selectAll().where('promotion_id', '=', promotionId).orderBy('step_index').execute();
  return {
    promotionId,
    model: rollout.model,
    version: rollout.version,
    champion: rollout.champion,
    plan: rollout.plan,
    status: rollout.status,
    reason: rollout.reason,
    requestedBy: rollout.requested_by,
    startedAtMs: rollout.started_at.getTime(),
    endedAtMs: rollout.ended_at?.getTime() ?? null,
    steps: steps.map((step) => ({
      stepIndex: step.step_index,
      evidence: step.evidence,
      decided: step.final,
      lookedAtMs: step.looked_at.getTime(),
    })),
  };
}

/** The newest rollout of a model (of one version of it when that is given), running or not, or null. */
export async function newestRollout(
  db: Kysely<Database>,
  { model, version }: { model: string; version?: string },
): Promise<RolloutView | null> {
  let query = db.selectFrom('rollouts').select('promotion_id').where('model', '=', model);
  if (version !== undefined) query = query.where('version', '=', version);
  const newest = await query.orderBy('started_at', 'desc').limit(1).executeTakeFirst();
  return newest === undefined ? null : await rolloutTable(db, newest.promotion_id);
}
