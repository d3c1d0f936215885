import { type Kysely, sql } from 'kysely';
import type { LifecycleStore, RolloutSubject } from '../../activities/registry-ports.js';
import type { LifecycleRecord } from '../../contracts/activities.js';
import { appendAudit } from './audit-log.js';
import { type Database, inTransaction } from './database.js';
import { openInvestigations } from './serving/investigations.js';

/** What a lifecycle is rebuilt from, its flags, and what a rollout looks at. */
export function createLifecycleStore(db: Kysely<Database>): LifecycleStore {
  return {
    load: (model) => loadLifecycle(db, model),

    async setPaused({ model, paused, by, reason, key }) {
      await inTransaction(db, async (trx) => {
        const flags = {
          paused_by: paused?.by ?? null,
          paused_reason: paused?.reason ?? null,
          paused_at: paused === null ? null : new Date(paused.atMs),
        };
        await trx
          .insertInto('lifecycles')
          .values({ model, ...flags })
          .onConflict((conflict) => conflict.column('model').doUpdateSet(flags))
          .execute();
        await appendAudit(trx, {
          model,
          action: paused === null ? 'resume' : 'pause',
          by,
          outcome: 'done',
          reason,
          details: { paused },
          ...(key === undefined ? {} : { key }),
        });
      });
    },

    async audit(entry) {
      await inTransaction(db, (trx) => appendAudit(trx, entry));
    },

    rolloutSubject: (model, version) => rolloutSubject(db, model, version),
  };
}

/** Read at one moment, so that a run and its rollout agree. */
async function loadLifecycle(db: Kysely<Database>, model: string): Promise<LifecycleRecord> {
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (trx) => {
      // Runs that were refused before they had a row took a number too: the number in the name counts.
      const counted = await trx
        .selectFrom('runs')
        .select([
          sql<number>`coalesce(greatest(max(number), max(substring(run from '-([0-9]{1,15})$')::bigint)), 0)`.as('count'),
          sql<Date | null>`max(as_of)`.as('last'),
        ])
        .where('model', '=', model)
        .executeTakeFirstOrThrow();
      const flags = await trx.selectFrom('lifecycles').selectAll().where('model', '=', model).executeTakeFirst();
      const rollout = await trx
        .selectFrom('rollouts')
        .select(['version', 'champion', 'promotion_id', 'run'])
        .where('model', '=', model)
        .where('status', '=', 'running')
        .orderBy('started_at', 'desc')
        .limit(1)
        .executeTakeFirst();
      const runs = await trx
        .selectFrom('runs')
        .leftJoin('approvals', (join) => join.onRef('approvals.model', '=', 'runs.model').onRef('approvals.version', '=', 'runs.version'))
        .select(['runs.run', 'runs.as_of', 'runs.trigger', 'runs.requested_by', 'runs.version', 'approvals.status'])
        .where('runs.model', '=', model)
        .where('runs.outcome', 'is', null)
        .orderBy('runs.number')
        .execute();
      return {
        runCount: counted.count,
        lastRunAsOfMs: counted.last?.getTime() ?? null,
        paused:
          flags?.paused_by == null
            ? null
            : { by: flags.paused_by, reason: flags.paused_reason ?? '', atMs: flags.paused_at?.getTime() ?? 0 },
        active: runs.map((row) => ({
          run: row.run,
          asOfMs: row.as_of.getTime(),
          trigger: row.trigger,
          requestedBy: row.requested_by,
          version: row.version,
          phase:
            row.status === null
              ? 'training'
              : row.status !== 'approved'
                ? 'awaitingApproval'
                : rollout?.run === row.run
                  ? 'rollingOut'
                  : 'awaitingRollout',
        })),
        rollout:
          rollout === undefined
            ? null
            : { version: rollout.version, champion: rollout.champion, promotionId: rollout.promotion_id, run: rollout.run },
      };
    });
}

async function rolloutSubject(db: Kysely<Database>, model: string, version: string): Promise<RolloutSubject | null> {
  const row = await db
    .selectFrom('versions')
    .innerJoin('definitions', 'definitions.digest', 'versions.definition_digest')
    .leftJoin('approvals', (join) =>
      join.onRef('approvals.model', '=', 'versions.model').onRef('approvals.version', '=', 'versions.version'),
    )
    .leftJoin('aliases', (join) => join.onRef('aliases.model', '=', 'versions.model').on('aliases.alias', '=', 'champion'))
    .select([
      'definitions.definition',
      'versions.stage',
      'versions.approval_status',
      'versions.refused',
      'versions.risk',
      'versions.run',
      'approvals.status as approval',
      'aliases.version as champion',
    ])
    .where('versions.model', '=', model)
    .where('versions.version', '=', version)
    .executeTakeFirst();
  if (row === undefined) return null;
  const rollouts = await db
    .selectFrom('rollouts')
    .select(['promotion_id', 'status'])
    .where('model', '=', model)
    .where('version', '=', version)
    .execute();
  const [investigation] = await openInvestigations(db, { model, version });
  const { approval_status: approvalStatus, ...rest } = row;
  return {
    ...rest,
    approvalStatus,
    investigation: investigation?.reason ?? null,
    earlierRollouts: rollouts.length,
    runningRollout: rollouts.find((rollout) => rollout.status === 'running')?.promotion_id ?? null,
  };
}
