import type { Kysely } from 'kysely';
import type { RolloutStore } from '../../../activities/rollout-ports.js';
import { aliasHolder } from '../aliases.js';
import { appendAudit } from '../audit-log.js';
import { inTransaction, type Database, type DatabaseTransaction } from '../database.js';
import { enqueueNotice } from '../outbox.js';
import { lockVersion, moveStage } from '../stages.js';
import { dropChallenger, moveChampion, predecessor } from './champion-move.js';
import { howToClose, openInvestigation } from './investigations.js';
import { closeRollout, readRollout, runningRollout } from './rollout-record.js';
import { changeRoute, earlierChange, lockModel, readRoute } from './route-state.js';
import { wholeTarget } from './route-targets.js';

type TakeBack = Parameters<RolloutStore['takeBack']>[0];

/**
 * Ends a rollout by giving all traffic back to the champion, in one transaction. What this rollout has promoted already
 * is undone. Of a rollout that is over and holds nothing, it changes nothing: a newer one may be under way.
 */
export async function takeBack(db: Kysely<Database>, input: TakeBack): Promise<{ generation: number }> {
  const { model, version, promotionId, by, reason, investigate } = input;
  return await inTransaction(db, async (trx) => {
    await lockModel(trx, model);
    const earlier = await earlierChange(trx, { promotionId, kind: 'takeBack' });
    if (earlier !== null) return { generation: earlier.generation };
    const rollout = await readRollout(trx, promotionId);
    const route = await readRoute(trx, model);
    const holder = await aliasHolder(trx, model, 'champion');
    const undone = holder === version && (await earlierChange(trx, { promotionId, kind: 'promote' })) !== null;
    if (rollout === null || (rollout.status !== 'running' && !undone)) return { generation: route?.generation ?? 0 };

    const act = { by, reason, promotionId };
    const champion = undone ? rollout.champion : holder;
    if (undone) {
      await moveChampion(trx, {
        model,
        from: version,
        to: champion,
        previous: champion === null ? null : await predecessor(trx, model, champion),
        ...act,
      });
    } else {
      await leaveStaging(trx, { model, version, investigate });
    }
    await dropChallenger(trx, { model, version, ...act });
    // When an undone promotion had another rollout after it, that one compares with a champion that is gone.
    const running = await runningRollout(trx, model);
    if (running !== null)
      await closeRollout(trx, { promotionId: running.promotion_id, status: investigate ? 'rolledBack' : 'aborted', reason });
    if (undone && running?.promotion_id !== promotionId && running !== null)
      await dropChallenger(trx, { model, version: running.version, ...act });

    const target = wholeTarget(champion, [await aliasHolder(trx, model, 'previous')], route?.salt ?? promotionId);
    const generation =
      route === null
        ? 0
        : await changeRoute(trx, { model, expected: route.generation, target, kind: 'takeBack', from: version, to: champion, ...act });
    const investigation = investigate ? await openInvestigation(trx, { model, version, ...act }) : null;
    await tellTakenBack(trx, { model, version, champion, promotionId, by, reason, investigation });
    await appendAudit(trx, {
      model,
      action: 'takeBack',
      by,
      outcome: 'done',
      reason,
      details: { promotionId, before: version, after: champion, generation, investigation },
      key: `takeBack:${promotionId}`,
    });
    return { generation };
  });
}

/** A challenger at fault is archived; one that was only stopped may come again as it is. */
export async function leaveStaging(
  trx: DatabaseTransaction,
  { model, version, investigate }: { model: string; version: string; investigate: boolean },
): Promise<void> {
  const { stage } = await lockVersion(trx, model, version);
  if (stage === 'Staging') await moveStage(trx, { model, version, to: investigate ? 'Archived' : 'None' });
}

/** The message to people that a version was taken back. */
export async function tellTakenBack(
  trx: DatabaseTransaction,
  told: {
    model: string;
    version: string;
    champion: string | null;
    promotionId: string;
    by: string;
    reason: string;
    investigation: string | null;
  },
): Promise<void> {
  const { model, version, champion, promotionId, by, reason, investigation } = told;
  const serves = champion === null ? `nothing serves ${model} now` : `${champion} serves all requests`;
  await enqueueNotice(trx, {
    key: `rolledBack:${promotionId}`,
    kind: 'rolledBack',
    model,
    title: `${model} ${version} was taken back`,
    text: `${version} was taken back by ${by}, ${serves}. Reason: ${reason}.${investigation === null ? '' : ` Investigation ${investigation} is open. ${howToClose(investigation)}`}`,
  });
}
