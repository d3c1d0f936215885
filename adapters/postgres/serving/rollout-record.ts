import { sql, type Kysely, type Selectable } from 'kysely';
import type { RolloutInput, RolloutResult } from '../../../contracts/rollout.js';
import { PerennialError } from '../../../domain/errors.js';
import type { StepEvidence } from '../../../domain/rollout-verdict.js';
import { aliasHolder, moveAlias } from '../aliases.js';
import { appendAudit } from '../audit-log.js';
import { json } from '../columns.js';
import { inTransaction, type Database, type DatabaseTransaction } from '../database.js';
import { lockVersion, moveStage } from '../stages.js';
import { storable } from '../storable.js';
import { refuseUnderInvestigation } from './investigations.js';
import { lockModel } from './route-state.js';
import type { RolloutTable } from './schema.js';

/** See `RolloutStore.begin`. */
export async function beginRollout(db: Kysely<Database>, input: RolloutInput): Promise<void> {
  const { model, version, champion, promotionId, requestedBy } = input;
  await inTransaction(db, async (trx) => {
    await lockModel(trx, model);
    if ((await readRollout(trx, promotionId)) !== null) return;
    const { approval_status: approval } = await lockVersion(trx, model, version);
    if (approval !== 'approved') {
      throw new PerennialError(
        'NotApproved',
        `${model} ${version} cannot be rolled out: its approval is ${approval}. Approve it first: ./perennial approve ${model} ${version}`,
      );
    }
    await refuseUnderInvestigation(trx, model, version);
    const running = await runningRollout(trx, model);
    if (running !== null) {
      throw new PerennialError(
        'Conflict',
        `A rollout of ${model} ${running.version} runs already (${running.promotion_id}); one at a time. Wait for its end, or end it: ./perennial rollback ${model}`,
        { details: { model, running: running.promotion_id } },
      );
    }
    await expectChampion(trx, model, champion);
    if (champion === version)
      throw new PerennialError('Conflict', `${model} ${version} is the champion already; there is nothing to roll out.`);
    await moveStage(trx, { model, version, to: 'Staging' });
    const reason = `rollout by plan ${input.plan.name}`;
    await moveAlias(trx, {
      model,
      alias: 'challenger',
      expected: await aliasHolder(trx, model, 'challenger'),
      to: version,
      by: requestedBy,
      reason,
      promotionId,
    });
    const { plan, limits, clock, run } = input;
    await trx
      .insertInto('rollouts')
      .values({
        promotion_id: promotionId,
        model,
        version,
        champion,
        run,
        plan: json(plan),
        limits: json(limits),
        clock: json(clock),
        requested_by: requestedBy,
        status: 'running',
      })
      .execute();
    await appendAudit(trx, {
      model,
      action: 'rollout.begin',
      by: requestedBy,
      outcome: 'done',
      reason,
      details: { promotionId, version, champion, plan: plan.name },
      key: `rollout.begin:${promotionId}`,
    });
  });
}

/** Keeps the outcome. A promotion that was undone before its workflow could say so stays undone. Nothing to do when it never began. */
export async function endRollout(db: Kysely<Database>, result: RolloutResult): Promise<void> {
  const { model, promotionId, outcome, reason } = result;
  await inTransaction(db, async (trx) => {
    await lockModel(trx, model);
    const rollout = await readRollout(trx, promotionId);
    if (rollout === null || rollout.result !== null) return;
    const undone = rollout.status !== 'running' && outcome === 'promoted';
    await trx
      .updateTable('rollouts')
      .set({
        status: undone ? rollout.status : outcome,
        reason: undone ? rollout.reason : reason,
        result: json(storable(result)),
        ended_at: rollout.ended_at ?? sql<Date>`clock_timestamp()`,
      })
      .where('promotion_id', '=', promotionId)
      .execute();
    // A rollout that ended without promoting leaves no challenger behind.
    if (outcome !== 'promoted' && (await aliasHolder(trx, model, 'challenger')) === rollout.version) {
      await moveAlias(trx, { model, alias: 'challenger', expected: rollout.version, to: null, by: 'perennial', reason, promotionId });
    }
    await appendAudit(trx, {
      model,
      action: 'rollout.end',
      by: 'perennial',
      identity: 'system',
      outcome: 'done',
      reason,
      details: { promotionId, version: rollout.version, outcome },
      key: `rollout.end:${promotionId}`,
    });
  });
}

type StepRecord = { readonly promotionId: string; readonly stepIndex: number; readonly evidence: StepEvidence };

/** Keeps the newest evidence of a step. A look never replaces a newer one, nor the record of a decided step over the same time. */
export async function recordStep(db: Kysely<Database>, { promotionId, stepIndex, evidence }: StepRecord, final: boolean): Promise<void> {
  const columns = { evidence: json(storable(evidence)), to_ms: evidence.toMs, final, looked_at: sql<Date>`clock_timestamp()` };
  await db
    .insertInto('rollout_steps')
    .values({ promotion_id: promotionId, step_index: stepIndex, ...columns })
    .onConflict((conflict) => {
      const newer = conflict.columns(['promotion_id', 'step_index']).doUpdateSet(columns);
      return final
        ? newer
        : newer.where(({ eb, or, and }) =>
            or([
              eb('rollout_steps.to_ms', '<', evidence.toMs),
              and([eb('rollout_steps.to_ms', '=', evidence.toMs), eb('rollout_steps.final', '=', false)]),
            ]),
          );
    })
    .execute();
}

export type RolloutRow = Selectable<RolloutTable>;

export async function readRollout(db: Kysely<Database>, promotionId: string): Promise<RolloutRow | null> {
  return (await db.selectFrom('rollouts').selectAll().where('promotion_id', '=', promotionId).executeTakeFirst()) ?? null;
}

export async function runningRollout(db: Kysely<Database>, model: string): Promise<RolloutRow | null> {
  return (
    (await db.selectFrom('rollouts').selectAll().where('model', '=', model).where('status', '=', 'running').executeTakeFirst()) ?? null
  );
}

/** The rollout, which must still run: `Conflict` says how it ended. */
export async function requireRunning(db: Kysely<Database>, promotionId: string): Promise<RolloutRow> {
  const rollout = await readRollout(db, promotionId);
  if (rollout?.status === 'running') return rollout;
  const why =
    rollout === null
      ? `There is no rollout ${promotionId} in the registry: it must begin first.`
      : `Rollout ${promotionId} is over (${rollout.status}${rollout.reason === null ? '' : `: ${rollout.reason}`}); it changes nothing any more.`;
  throw new PerennialError('Conflict', why, { details: { promotionId, status: rollout?.status ?? null } });
}

/** Throws `Conflict` unless this version is the champion (null: nobody is). */
export async function expectChampion(trx: DatabaseTransaction, model: string, champion: string | null): Promise<void> {
  const holder = await aliasHolder(trx, model, 'champion');
  if (holder === champion) return;
  throw new PerennialError(
    'Conflict',
    `The champion of ${model} is ${holder ?? 'nobody'}, not ${champion ?? 'nobody'}: it changed meanwhile, so this rollout compares with the wrong version. Start a new one.`,
    {
      details: { model, expected: champion, found: holder },
    },
  );
}

/** Marks a rollout as ended by what took its traffic back, so that nothing of it has an effect any more. */
export async function closeRollout(
  trx: DatabaseTransaction,
  { promotionId, status, reason }: { promotionId: string; status: 'rolledBack' | 'aborted'; reason: string },
): Promise<void> {
  await trx
    .updateTable('rollouts')
    .set({ status, reason, ended_at: sql<Date>`clock_timestamp()` })
    .where('promotion_id', '=', promotionId)
    .where('status', '=', 'running')
    .execute();
}
