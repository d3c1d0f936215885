import type { Kysely } from 'kysely';
import type { RolloutStore } from '../../../activities/rollout-ports.js';
import { aliasHolder } from '../aliases.js';
import { inTransaction, type Database } from '../database.js';
import { leasedGateways } from './gateways.js';
import { promote } from './promote.js';
import { rollback } from './rollback.js';
import { beginRollout, endRollout, expectChampion, recordStep, requireRunning } from './rollout-record.js';
import { servableVersion } from './route-source.js';
import { changeRoute, earlierChange, lockModel, readRoute } from './route-state.js';
import { stepTarget } from './route-targets.js';
import { takeBack } from './take-back.js';

/** What is live and how it changes, in Postgres. */
export function createRolloutStore(db: Kysely<Database>): RolloutStore {
  return {
    begin: (input) => beginRollout(db, input),
    applyRoute: (input) => applyStep(db, input),
    async followers(model) {
      const route = await readRoute(db, model);
      return { newest: route?.generation ?? 0, gateways: await leasedGateways(db, model) };
    },
    version: (model, version) => servableVersion(db, model, version),
    async requireRunning(promotionId) {
      await requireRunning(db, promotionId);
    },
    recordLook: (input) => recordStep(db, input, false),
    recordStep: (input) => recordStep(db, input, true),
    async promoted(promotionId) {
      const earlier = await earlierChange(db, { promotionId, kind: 'promote' });
      return earlier === null ? null : { generation: earlier.generation };
    },
    promote: (input) => promote(db, input),
    takeBack: (input) => takeBack(db, input),
    end: (result) => endRollout(db, result),
    rollback: (input) => rollback(db, input),
  };
}

async function applyStep(db: Kysely<Database>, step: Parameters<RolloutStore['applyRoute']>[0]): Promise<{ generation: number }> {
  const { model, promotionId, stepIndex, champion, challenger, share, shadow } = step;
  return await inTransaction(db, async (trx) => {
    await lockModel(trx, model);
    const earlier = await earlierChange(trx, { promotionId, kind: 'step', stepIndex });
    if (earlier !== null) return { generation: earlier.generation };
    const rollout = await requireRunning(trx, promotionId);
    await expectChampion(trx, model, champion);
    const route = await readRoute(trx, model);
    const previous = await aliasHolder(trx, model, 'previous');
    // One salt a rollout: a caller who met the challenger stays with it while the share grows.
    const target = stepTarget({ champion, challenger, previous, share, shadow, salt: promotionId });
    const reason = `step ${stepIndex + 1} of plan ${rollout.plan.name}`;
    const generation = await changeRoute(trx, {
      model,
      expected: route?.generation ?? 0,
      target,
      kind: 'step',
      promotionId,
      stepIndex,
      by: rollout.requested_by,
      reason,
    });
    return { generation };
  });
}
