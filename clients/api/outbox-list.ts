import type { Kysely } from 'kysely';
import type { Notice } from '../../activities/ports.js';
import type { Database } from '../../adapters/postgres/database.js';

export type OutboxMessage = {
  readonly key: string;
  readonly model: string;
  readonly notice: Notice;
  readonly attempts: number;
  readonly lastError: string | null;
  readonly createdAtMs: number;
  /** Null: it waits still. */
  readonly deliveredAtMs: number | null;
};

/** Messages to people, newest first; 50 unless `limit` says otherwise. */
export async function listOutbox(
  db: Kysely<Database>,
  { model, waiting, limit }: { model?: string; waiting?: boolean; limit?: number },
): Promise<OutboxMessage[]> {
  let query = db.selectFrom('outbox').selectAll();
  if (model !== undefined) query = query.where('model', '=', model);
  if (waiting === true) query = query.where('delivered_at', 'is', null);
  const rows = await query
    .orderBy('created_at', 'desc')
    .limit(limit ?? 50)
    .execute();
  return rows.map((row) => ({
    key: row.key,
    model: row.model,
    notice: row.notice,
    attempts: row.attempts,
    lastError: row.last_error,
    createdAtMs: row.created_at.getTime(),
    deliveredAtMs: row.delivered_at?.getTime() ?? null,
  }));
}
