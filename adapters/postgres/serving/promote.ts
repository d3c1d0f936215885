import type { Kysely } from 'kysely';
import type { RolloutStore } from '../../../activities/rollout-ports.js';
import { PerennialError } from '../../../domain/errors.js';
import { appendAudit } from '../audit-log.js';
import { inTransaction, type Database } from '../database.js';
import { enqueueNotice } from '../outbox.js';
import { lockVersion } from '../stages.js';
import { dropChallenger, moveChampion } from './champion-move.js';
import { refuseUnderInvestigation } from './investigations.js';
import { expectChampion, requireRunning } from './rollout-record.js';
import { changeRoute, earlierChange, lockModel, readRoute } from './route-state.js';
import { wholeTarget } from './route-targets.js';

/**
 * Makes a version the champion: aliases, stages, all traffic, history, audit and message in one transaction, once for a
 * promotion id. The old champion stays loaded for a rollback. The caller has verified the package.
 */
export async function promote(db: Kysely<Database>, input: Parameters<RolloutStore['promote']>[0]): Promise<{ generation: number }> {
  const { model, version, champion, promotionId, by, reason } = input;
  return await inTransaction(db, async (trx) => {
    await lockModel(trx, model);
    const earlier = await earlierChange(trx, { promotionId, kind: 'promote' });
    if (earlier !== null) return { generation: earlier.generation };
    const rollout = await requireRunning(trx, promotionId);
    if (rollout.version !== version)
      throw new PerennialError('Conflict', `Rollout ${promotionId} is of ${model} ${rollout.version}; it cannot promote ${version}.`);
    const { approval_status: approval } = await lockVersion(trx, model, version);
    if (approval !== 'approved') {
      throw new PerennialError(
        'NotApproved',
        `${model} ${version} cannot be promoted: its approval is ${approval}. Approve it first: ./perennial approve ${model} ${version}`,
      );
    }
    await refuseUnderInvestigation(trx, model, version);
    await expectChampion(trx, model, champion);
    const route = await readRoute(trx, model);
    const act = { by, reason, promotionId };
    await moveChampion(trx, { model, from: champion, to: version, previous: champion, ...act });
    await dropChallenger(trx, { model, version, ...act });
    const target = wholeTarget(version, [champion], route?.salt ?? promotionId);
    const generation = await changeRoute(trx, {
      model,
      expected: route?.generation ?? 0,
      target,
      kind: 'promote',
      from: champion,
      to: version,
      ...act,
    });
    await enqueueNotice(trx, {
      key: `promoted:${promotionId}`,
      kind: 'promoted',
      model,
      title: `${model} ${version} is live`,
      text: `${version} serves all requests of ${model}${champion === null ? '' : ` instead of ${champion}, which stays ready`}. By ${by}: ${reason}. To go back: ./perennial rollback ${model}`,
    });
    await appendAudit(trx, {
      model,
      action: 'promote',
      by,
      outcome: 'done',
      reason,
      details: { promotionId, before: champion, after: version, generation },
      key: `promote:${promotionId}`,
    });
    return { generation };
  });
}
