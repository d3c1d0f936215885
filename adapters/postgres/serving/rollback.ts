import type { Kysely } from 'kysely';
import type { RolloutStore } from '../../../activities/rollout-ports.js';
import { PerennialError } from '../../../domain/errors.js';
import { aliasHolder } from '../aliases.js';
import { appendAudit } from '../audit-log.js';
import { inTransaction, type Database, type DatabaseTransaction } from '../database.js';
import { dropChallenger, moveChampion, predecessor } from './champion-move.js';
import { openInvestigation } from './investigations.js';
import { closeRollout, runningRollout, type RolloutRow } from './rollout-record.js';
import { changeRoute, earlierChange, lockModel, readRoute } from './route-state.js';
import { wholeTarget } from './route-targets.js';
import { leaveStaging, tellTakenBack } from './take-back.js';

type Rollback = Parameters<RolloutStore['rollback']>[0];
type Act = { readonly by: string; readonly reason: string; readonly promotionId: string };
type Undoing = { readonly from: string; readonly to: string };

/**
 * Undoes the newest step towards a newer version, in one transaction: a rollout under way is ended and its champion has
 * all traffic; else the champion goes and the version before it is champion again. So a rollback beats a promotion that
 * races with it, whichever comes first. The version taken back is put under investigation.
 * `Conflict` when there is nothing to go back to. The same `requestId` again answers the same and does nothing.
 */
export async function rollback(
  db: Kysely<Database>,
  { model, by, reason, requestId }: Rollback,
): Promise<{ from: string; to: string; generation: number }> {
  const act: Act = { by, reason, promotionId: `rollback:${model}:${requestId}` };
  return await inTransaction(db, async (trx) => {
    await lockModel(trx, model);
    const earlier = await earlierChange(trx, { promotionId: act.promotionId, kind: 'rollback' });
    if (earlier !== null && earlier.from !== null && earlier.to !== null)
      return { from: earlier.from, to: earlier.to, generation: earlier.generation };
    const champion = await aliasHolder(trx, model, 'champion');
    if (champion === null)
      throw new PerennialError(
        'Conflict',
        `Nothing of ${model} is live, so there is nothing to roll back. ./perennial versions ${model} lists its versions.`,
        { details: { model } },
      );
    const running = await runningRollout(trx, model);
    const underWay = running !== null && running.version !== champion;
    const undoing = underWay
      ? await undoRollout(trx, { running, champion, act })
      : await undoPromotion(trx, { model, champion, running, act });

    const route = await readRoute(trx, model);
    const target = wholeTarget(undoing.to, [await aliasHolder(trx, model, 'previous')], route?.salt ?? act.promotionId);
    const generation = await changeRoute(trx, { model, expected: route?.generation ?? 0, target, kind: 'rollback', ...undoing, ...act });
    const investigation = await openInvestigation(trx, { model, version: undoing.from, ...act });
    await tellTakenBack(trx, { model, version: undoing.from, champion: undoing.to, ...act, investigation });
    const details = {
      requestId,
      before: undoing.from,
      after: undoing.to,
      generation,
      investigation,
      rollout: running?.promotion_id ?? null,
    };
    await appendAudit(trx, { model, action: 'rollback', by, outcome: 'done', reason, details, key: act.promotionId });
    return { ...undoing, generation };
  });
}

async function undoRollout(
  trx: DatabaseTransaction,
  { running, champion, act }: { running: RolloutRow; champion: string; act: Act },
): Promise<Undoing> {
  const { model, version } = running;
  await leaveStaging(trx, { model, version, investigate: true });
  await dropChallenger(trx, { model, version, ...act });
  await closeRollout(trx, { promotionId: running.promotion_id, status: 'rolledBack', reason: `rolled back by ${act.by}: ${act.reason}` });
  return { from: version, to: champion };
}

async function undoPromotion(
  trx: DatabaseTransaction,
  { model, champion, running, act }: { model: string; champion: string; running: RolloutRow | null; act: Act },
): Promise<Undoing> {
  const to = await aliasHolder(trx, model, 'previous');
  if (to === null) {
    throw new PerennialError(
      'Conflict',
      `${model} ${champion} has no version before it, so there is nothing to roll back to. Train and promote another one, or stop its triggers: ./perennial pause ${model}`,
      { details: { model, champion } },
    );
  }
  await moveChampion(trx, { model, from: champion, to, previous: await predecessor(trx, model, to), ...act });
  if (running !== null)
    await closeRollout(trx, { promotionId: running.promotion_id, status: 'rolledBack', reason: `rolled back by ${act.by}: ${act.reason}` });
  return { from: champion, to };
}
