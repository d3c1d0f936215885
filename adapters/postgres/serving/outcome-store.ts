import { sql, type Kysely } from 'kysely';
import type { OutcomeStore } from '../../../activities/ports.js';
import { PerennialError } from '../../../domain/errors.js';
import { inTransaction, type Database, type DatabaseTransaction } from '../database.js';

type Outcome = { readonly timeMs: number; readonly value: number };

/** Outcomes in Postgres. An outcome that is already stored with the same value is not a change. */
export function createOutcomeStore(db: Kysely<Database>): OutcomeStore {
  return {
    async upsert(model, outcomes) {
      if (outcomes.length > 0) await inTransaction(db, (trx) => upsertOutcomes(trx, model, outcomes));
    },

    async range(model, fromMs, toMs) {
      const rows = await db
        .selectFrom('outcomes')
        .select(['time_ms', 'value'])
        .where('model', '=', model)
        .where('time_ms', '>=', fromMs)
        .where('time_ms', '<', toMs)
        .orderBy('time_ms')
        .execute();
      return rows.map((row) => ({ timeMs: row.time_ms, value: row.value }));
    },

    async since(model, change) {
      const rows = await db
        .selectFrom('outcomes')
        .select(['time_ms', 'value', 'change'])
        .where('model', '=', model)
        .where('change', '>', change)
        .orderBy('change')
        .execute();
      return { outcomes: rows.map((row) => ({ timeMs: row.time_ms, value: row.value })), change: rows.at(-1)?.change ?? change };
    },
  };
}

/** Stores outcomes in the caller's transaction. `DataInvalid` names the first one whose value is not a finite number. */
export async function upsertOutcomes(trx: DatabaseTransaction, model: string, outcomes: readonly Outcome[]): Promise<void> {
  const wrong = outcomes.find(({ timeMs, value }) => !Number.isFinite(value) || !Number.isSafeInteger(timeMs));
  if (wrong !== undefined) {
    throw new PerennialError(
      'DataInvalid',
      `The outcome of ${model} at ${wrong.timeMs} is ${wrong.value}: time must be whole milliseconds and the value finite.`,
    );
  }
  // Numbers are drawn under this lock, which lasts to the commit: a follower that has seen change 7 never meets a later 6.
  await sql`select pg_advisory_xact_lock(hashtextextended(${`outcomes:${model}`}, 0))`.execute(trx);
  const newest = [...new Map(outcomes.map((outcome) => [outcome.timeMs, outcome.value]))];
  await sql`insert into outcomes (model, time_ms, value)
    select ${model}, time_ms, value from unnest(${newest.map(([time]) => time)}::bigint[], ${newest.map(([, value]) => value)}::float8[]) as o (time_ms, value)
    on conflict (model, time_ms) do update set value = excluded.value, change = nextval('outcome_changes')
    where outcomes.value <> excluded.value`.execute(trx);
}
