import { sql, type Kysely } from 'kysely';
import type { Clock } from '../../../activities/ports.js';
import { PerennialError } from '../../../domain/errors.js';
import type { Database } from '../database.js';

/** Model time: the wall's for `live`, the row's for `driven`. */
export function createClock(db: Kysely<Database>): Clock {
  return {
    async now(clock) {
      if (clock.kind === 'live') return Date.now();
      const row = await db.selectFrom('clocks').select('now_ms').where('name', '=', clock.name).executeTakeFirst();
      if (row === undefined) throw noClock(clock.name);
      return row.now_ms;
    },
  };
}

/** Makes a driven clock that stands at `nowMs`. One that exists stays as it is; answers where the clock stands. */
export async function createDrivenClock(
  db: Kysely<Database>,
  { name, nowMs }: { name: string; nowMs: number },
): Promise<{ nowMs: number; created: boolean }> {
  checkTime(name, nowMs);
  const made = await db
    .insertInto('clocks')
    .values({ name, now_ms: nowMs })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('now_ms')
    .executeTakeFirst();
  if (made !== undefined) return { nowMs: made.now_ms, created: true };
  const { now_ms } = await db.selectFrom('clocks').select('now_ms').where('name', '=', name).executeTakeFirstOrThrow();
  return { nowMs: now_ms, created: false };
}

/**
 * Moves a driven clock from where its driver believes it to stand to `toMs`, never backwards. `Conflict` when it stands
 * elsewhere: two drivers would make time jump. Moving it to where it stands already is no error, so a retry is safe.
 */
export async function advanceDrivenClock(
  db: Kysely<Database>,
  { name, fromMs, toMs }: { name: string; fromMs: number; toMs: number },
): Promise<{ nowMs: number }> {
  checkTime(name, toMs);
  if (toMs < fromMs)
    throw new PerennialError('Conflict', `Clock ${name} cannot go back from ${fromMs} to ${toMs}: model time only moves forward.`);
  const moved = await db
    .updateTable('clocks')
    .set({ now_ms: toMs, moved_at: sql<Date>`clock_timestamp()` })
    .where('name', '=', name)
    .where('now_ms', '=', fromMs)
    .returning('now_ms')
    .executeTakeFirst();
  if (moved !== undefined) return { nowMs: toMs };
  const row = await db.selectFrom('clocks').select('now_ms').where('name', '=', name).executeTakeFirst();
  if (row === undefined) throw noClock(name);
  if (row.now_ms === toMs) return { nowMs: toMs };
  throw new PerennialError(
    'Conflict',
    `Clock ${name} stands at ${row.now_ms}, not at ${fromMs}: another driver moved it. Let one driver alone move a clock.`,
    { details: { name, fromMs, toMs, found: row.now_ms } },
  );
}

function checkTime(name: string, timeMs: number): void {
  if (!Number.isSafeInteger(timeMs))
    throw new PerennialError('DataInvalid', `Clock ${name} cannot stand at ${timeMs}: model time is whole epoch milliseconds.`);
}

const noClock = (name: string) =>
  new PerennialError(
    'Unavailable',
    `There is no driven clock named ${name}: its driver (a rehearsal or a backtest) has not made it yet, or it belongs to another environment.`,
    { details: { name } },
  );
