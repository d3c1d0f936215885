import { sql, type Kysely, type Selectable } from 'kysely';
import { PerennialError } from '../../../domain/errors.js';
import { appendAudit } from '../audit-log.js';
import { inTransaction, type Database, type DatabaseTransaction } from '../database.js';
import { lockModel } from './route-state.js';
import type { InvestigationTable } from './schema.js';

/** Why a version must not be rolled out again until a person says so. Times are wall time. */
export type Investigation = {
  readonly id: string;
  readonly model: string;
  readonly version: string;
  readonly promotionId: string | null;
  readonly openedBy: string;
  readonly reason: string;
  readonly openedAtMs: number;
};

/** Opens an investigation in the caller's transaction; when one is open already, or this act opened one before, answers that. */
export async function openInvestigation(
  trx: DatabaseTransaction,
  { model, version, promotionId, by, reason }: { model: string; version: string; promotionId: string; by: string; reason: string },
): Promise<string> {
  const mine = await trx
    .selectFrom('investigations')
    .select('id')
    .where('model', '=', model)
    .where('version', '=', version)
    .where('promotion_id', '=', promotionId)
    .executeTakeFirst();
  if (mine !== undefined) return mine.id;
  const { earlier } = await trx
    .selectFrom('investigations')
    .select((eb) => eb.fn.countAll<number>().as('earlier'))
    .where('model', '=', model)
    .where('version', '=', version)
    .executeTakeFirstOrThrow();
  const opened = await trx
    .insertInto('investigations')
    .values({ id: `${model}:${version}:${earlier + 1}`, model, version, promotion_id: promotionId, opened_by: by, reason })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  if (opened !== undefined) return opened.id;
  const [open] = await openInvestigations(trx, { model, version });
  return open!.id;
}

/** The investigations that are open, oldest first; of one model or of one version when they are given. */
export async function openInvestigations(
  db: Kysely<Database>,
  filter: { model?: string; version?: string } = {},
): Promise<Investigation[]> {
  let query = db.selectFrom('investigations').selectAll().where('closed_at', 'is', null);
  if (filter.model !== undefined) query = query.where('model', '=', filter.model);
  if (filter.version !== undefined) query = query.where('version', '=', filter.version);
  return (await query.orderBy('number').execute()).map(toInvestigation);
}

/**
 * Closes an investigation with a person's reason, so that the version may be rolled out again; audited.
 * `Conflict` when none is open by that id or for that version; `DataInvalid` when it is not said who and why.
 */
export async function closeInvestigation(
  db: Kysely<Database>,
  input: ({ id: string } | { model: string; version: string }) & { by: string; reason: string },
): Promise<Investigation> {
  const { by, reason } = input;
  const name = 'id' in input ? `investigation ${input.id}` : `investigation of ${input.model} ${input.version}`;
  if (by.trim() === '' || reason.trim() === '')
    throw new PerennialError('DataInvalid', `The ${name} is closed by a person with a reason: say both who closes it and what was found.`);
  return await inTransaction(db, async (trx) => {
    const open = trx.selectFrom('investigations').selectAll().where('closed_at', 'is', null);
    const named =
      'id' in input ? open.where('id', '=', input.id) : open.where('model', '=', input.model).where('version', '=', input.version);
    const found = await named.executeTakeFirst();
    if (found === undefined) throw new PerennialError('Conflict', `No ${name} is open; ./perennial investigations lists those that are.`);
    await lockModel(trx, found.model);
    const closed = await trx
      .updateTable('investigations')
      .set({ closed_at: sql<Date>`clock_timestamp()`, closed_by: by, closing_reason: reason })
      .where('id', '=', found.id)
      .where('closed_at', 'is', null)
      .returningAll()
      .executeTakeFirst();
    if (closed === undefined) throw new PerennialError('Conflict', `The ${name} was closed by somebody else meanwhile.`);
    await appendAudit(trx, {
      model: closed.model,
      action: 'investigation.close',
      by,
      outcome: 'done',
      reason,
      details: { id: closed.id, version: closed.version, opened: closed.reason },
      key: `investigation.close:${closed.id}`,
    });
    return toInvestigation(closed);
  });
}

/** Throws `Conflict` when an investigation of this version is open. */
export async function refuseUnderInvestigation(db: Kysely<Database>, model: string, version: string): Promise<void> {
  const [open] = await openInvestigations(db, { model, version });
  if (open === undefined) return;
  throw new PerennialError(
    'Conflict',
    `${model} ${version} is under investigation (${open.id}: ${open.reason}) and is not rolled out before a person has closed it. ${howToClose(open.id)}`,
    { details: { model, version, investigation: open.id } },
  );
}

/** What a person does so that the version may be rolled out again. */
export const howToClose = (id: string) =>
  `When the cause is known, close it with a reason: ./perennial investigations close ${id} --reason "<what was found>"`;

function toInvestigation(row: Selectable<InvestigationTable>): Investigation {
  const { id, model, version, reason } = row;
  return { id, model, version, promotionId: row.promotion_id, openedBy: row.opened_by, reason, openedAtMs: row.opened_at.getTime() };
}
