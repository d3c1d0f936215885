import { sql } from 'kysely';
import { PerennialError } from '../../domain/errors.js';
import type { Alias } from '../../domain/version.js';
import type { DatabaseTransaction } from './database.js';

export type AliasMove = {
  readonly model: string;
  readonly alias: Alias;
  /** Version that holds the alias now, as the caller believes; null: nobody. */
  readonly expected: string | null;
  /** Version that shall hold it; null: nobody. */
  readonly to: string | null;
  readonly by: string;
  readonly reason: string;
  /** Domain key of the act, kept in the history. */
  readonly promotionId: string;
};

/**
 * Moves an alias by compare-and-set and writes its history, in the caller's transaction. `Conflict` names the version
 * that holds it when that is not `expected`. Moving it to where this same `promotionId` has already put it does nothing
 * and answers `moved: false`. Writers of one alias queue on its row until the commit.
 */
export async function moveAlias(trx: DatabaseTransaction, move: AliasMove): Promise<{ moved: boolean }> {
  const { model, alias, expected, to, promotionId } = move;
  if (await exchange(trx, move)) {
    if (expected === to) return { moved: false };
    await writeHistory(trx, move);
    return { moved: true };
  }
  const held = await trx
    .selectFrom('aliases')
    .select(['version', 'promotion_id'])
    .where('model', '=', model)
    .where('alias', '=', alias)
    .executeTakeFirst();
  if (held !== undefined && held.version === to && held.promotion_id === promotionId) return { moved: false };
  const holder = held === undefined ? 'nobody' : `version ${held.version}`;
  throw new PerennialError(
    'Conflict',
    `models:/${model}@${alias} is held by ${holder}, not by ${expected === null ? 'nobody' : `version ${expected}`}: somebody moved it meanwhile. Look at it again (./perennial versions ${model}) and repeat.`,
    {
      details: { model, alias, expected, to, found: held?.version ?? null },
    },
  );
}

/** The compare-and-set itself; answers whether the holder was the expected one. Locks the alias's row. */
async function exchange(trx: DatabaseTransaction, { model, alias, expected, to, promotionId }: AliasMove): Promise<boolean> {
  const now = sql<Date>`clock_timestamp()`;
  if (expected === null) {
    if (to === null)
      return (
        (await trx.selectFrom('aliases').select('version').where('model', '=', model).where('alias', '=', alias).executeTakeFirst()) ===
        undefined
      );
    const inserted = await trx
      .insertInto('aliases')
      .values({ model, alias, version: to, promotion_id: promotionId, changed_at: now })
      .onConflict((conflict) => conflict.columns(['model', 'alias']).doNothing())
      .returning('version')
      .executeTakeFirst();
    return inserted !== undefined;
  }
  if (to === null) {
    return (
      (await trx
        .deleteFrom('aliases')
        .where('model', '=', model)
        .where('alias', '=', alias)
        .where('version', '=', expected)
        .returning('version')
        .executeTakeFirst()) !== undefined
    );
  }
  const updated = await trx
    .updateTable('aliases')
    .set(expected === to ? { version: to } : { version: to, promotion_id: promotionId, changed_at: now })
    .where('model', '=', model)
    .where('alias', '=', alias)
    .where('version', '=', expected)
    .returning('version')
    .executeTakeFirst();
  return updated !== undefined;
}

async function writeHistory(trx: DatabaseTransaction, { model, alias, expected, to, by, reason, promotionId }: AliasMove): Promise<void> {
  // A clock that stepped back must not make two holders of one instant.
  const { at } = await trx
    .selectFrom('alias_history')
    .select(
      sql<string>`greatest(clock_timestamp(), max(greatest(valid_from, coalesce(valid_to, valid_from))) + interval '1 microsecond')::text`.as(
        'at',
      ),
    )
    .where('model', '=', model)
    .where('alias', '=', alias)
    .executeTakeFirstOrThrow();
  const instant = sql<Date>`${at}::timestamptz`;
  if (expected !== null) {
    await trx
      .updateTable('alias_history')
      .set({ valid_to: instant })
      .where('model', '=', model)
      .where('alias', '=', alias)
      .where('valid_to', 'is', null)
      .execute();
  }
  if (to !== null) {
    await trx
      .insertInto('alias_history')
      .values({ model, alias, version: to, promotion_id: promotionId, changed_by: by, reason, valid_from: instant })
      .execute();
  }
}

/** Version that holds an alias now, or null. */
export async function aliasHolder(trx: DatabaseTransaction, model: string, alias: Alias): Promise<string | null> {
  const row = await trx.selectFrom('aliases').select('version').where('model', '=', model).where('alias', '=', alias).executeTakeFirst();
  return row?.version ?? null;
}
