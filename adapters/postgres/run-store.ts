import { type Kysely, sql } from 'kysely';
import type { Notice } from '../../activities/ports.js';
import type { RegistryStore, RunRecord } from '../../activities/registry-ports.js';
import type { RunResult } from '../../contracts/retrain.js';
import { appendAudit } from './audit-log.js';
import { json } from './columns.js';
import { type Database, inTransaction } from './database.js';
import { lockName } from './locks.js';
import { enqueueNotice } from './outbox.js';
import { storable, storableText } from './storable.js';

/** Runs and what they record while they go on. */
export function createRunStore(db: Kysely<Database>): Pick<RegistryStore, 'beginRun' | 'recordStep' | 'recordTrial' | 'endRun'> {
  return {
    beginRun: (run) => beginRun(db, run),

    async recordStep({ model, run, progress }) {
      const { step, status, startedAtMs, endedAtMs, detail } = progress;
      const row = {
        status,
        detail: detail === undefined ? null : storableText(detail),
        started_at: new Date(startedAtMs),
        ended_at: endedAtMs === undefined ? null : new Date(endedAtMs),
      };
      await db
        .insertInto('run_steps')
        .values({ model, run, step, ...row })
        .onConflict((conflict) =>
          conflict
            .columns(['model', 'run', 'step'])
            .doUpdateSet(row)
            // A note that arrives late must not reopen a step that has ended.
            .where(sql<boolean>`run_steps.ended_at is null or excluded.ended_at is not null or excluded.started_at > run_steps.started_at`),
        )
        .execute();
    },

    async recordTrial({ model, run, trial }) {
      const { number, params, state, value, seconds } = trial;
      const row = { params: json(params), state, value, seconds: seconds ?? null };
      await db
        .insertInto('trials')
        .values({ model, run, number, ...row })
        .onConflict((conflict) =>
          conflict
            .columns(['model', 'run', 'number'])
            .doUpdateSet(row)
            .where(sql<boolean>`trials.state = 'running' or excluded.state <> 'running'`),
        )
        .execute();
    },

    endRun: (result, notice) => endRun(db, result, notice),
  };
}

async function beginRun(db: Kysely<Database>, run: RunRecord): Promise<void> {
  const { model, environment } = run;
  await inTransaction(db, async (trx) => {
    await lockName(trx, `runs:${model}`);
    const earlier = await trx.selectFrom('runs').select('run').where('model', '=', model).where('run', '=', run.run).executeTakeFirst();
    if (earlier !== undefined) return;
    const { last } = await trx
      .selectFrom('runs')
      .select(sql<number>`coalesce(max(number), 0)`.as('last'))
      .where('model', '=', model)
      .executeTakeFirstOrThrow();
    await trx
      .insertInto('runs')
      .values({
        model,
        run: run.run,
        number: last + 1,
        definition_digest: run.definitionDigest,
        clock: json(run.clock),
        as_of: new Date(run.asOfMs),
        trigger: run.trigger,
        requested_by: run.requestedBy,
        reason: storableText(run.reason),
        use_cache: run.useCache,
        code_revision: environment.codeRevision,
        machine: json(environment.machine),
        packages: json(environment.packages),
        seeds: json(run.seeds),
      })
      .execute();
    await appendAudit(trx, {
      model,
      action: 'run.begin',
      by: run.requestedBy,
      outcome: 'done',
      reason: run.reason,
      details: { run: run.run, trigger: run.trigger, asOf: new Date(run.asOfMs), definition: run.definitionDigest },
      key: `run.begin:${model}:${run.run}`,
    });
  });
}

/** The first end of a run stays. A run that failed before it had a row leaves its entry in the audit. */
async function endRun(db: Kysely<Database>, result: RunResult, notice: Notice | null): Promise<void> {
  const { model, run, outcome, reason } = result;
  await inTransaction(db, async (trx) => {
    const ended = await trx
      .updateTable('runs')
      .set({ outcome, outcome_reason: storableText(reason), result: json(storable(result)), ended_at: sql<Date>`clock_timestamp()` })
      .where('model', '=', model)
      .where('run', '=', run)
      .where('outcome', 'is', null)
      .returning(['requested_by'])
      .executeTakeFirst();
    const row =
      ended ?? (await trx.selectFrom('runs').select('requested_by').where('model', '=', model).where('run', '=', run).executeTakeFirst());
    if (ended === undefined && row !== undefined) return;
    if (notice !== null) await enqueueNotice(trx, notice);
    await appendAudit(trx, {
      model,
      action: 'run.end',
      by: row?.requested_by ?? 'perennial',
      identity: 'system',
      outcome: outcome === 'failed' ? 'failed' : 'done',
      reason,
      details: {
        run,
        outcome,
        version: result.version,
        seconds: result.seconds,
        ...(row === undefined ? { note: 'the run ended before its row was written' } : {}),
      },
      key: `run.end:${model}:${run}`,
    });
  });
}
