import type { Notice } from '../../activities/ports.js';
import { json } from './columns.js';
import type { DatabaseTransaction } from './database.js';
import { storable } from './storable.js';

/**
 * Puts a message into the outbox in the caller's transaction, so that it is sent if and only if the act happened.
 * A second notice with the same key is not written; answers whether it was.
 */
export async function enqueueNotice(trx: DatabaseTransaction, notice: Notice): Promise<boolean> {
  const row = await trx
    .insertInto('outbox')
    .values({ key: notice.key, model: notice.model, notice: json(storable(notice)) })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .returning('key')
    .executeTakeFirst();
  return row !== undefined;
}
