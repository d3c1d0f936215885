import { type Kysely, sql } from 'kysely';
import type { OutboxStore } from '../../activities/registry-ports.js';
import { type Database, inTransaction } from './database.js';
import { storableText } from './storable.js';

/** The messages that wait to be sent. Several senders may work at once: each takes other rows. */
export function createOutboxStore(db: Kysely<Database>): OutboxStore {
  return {
    claim: ({ limit, leaseMs, model }) =>
      inTransaction(db, async (trx) => {
        const due = trx
          .selectFrom('outbox')
          .select('key')
          .where('delivered_at', 'is', null)
          .where('next_try_at', '<=', sql<Date>`clock_timestamp()`)
          .$if(model !== undefined, (query) => query.where('model', '=', model!))
          .orderBy('next_try_at')
          .limit(limit)
          .forUpdate()
          .skipLocked();
        const rows = await trx
          .updateTable('outbox')
          .set({ attempts: sql<number>`attempts + 1`, next_try_at: sql<Date>`clock_timestamp() + ${leaseMs} * interval '1 millisecond'` })
          .where('key', 'in', due)
          .returning(['notice', 'attempts', 'created_at'])
          .execute();
        return rows.sort((a, b) => a.created_at.getTime() - b.created_at.getTime()).map(({ notice, attempts }) => ({ notice, attempts }));
      }),

    async delivered(key) {
      await db
        .updateTable('outbox')
        .set({ delivered_at: sql<Date>`clock_timestamp()`, last_error: null })
        .where('key', '=', key)
        .where('delivered_at', 'is', null)
        .execute();
    },

    async failed({ key, error, retryInMs }) {
      await db
        .updateTable('outbox')
        .set({
          last_error: storableText(error).slice(0, 2_000),
          next_try_at: sql<Date>`clock_timestamp() + ${retryInMs} * interval '1 millisecond'`,
        })
        .where('key', '=', key)
        .where('delivered_at', 'is', null)
        .execute();
    },

    async left(model) {
      const { count } = await db
        .selectFrom('outbox')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .where('delivered_at', 'is', null)
        .$if(model !== undefined, (query) => query.where('model', '=', model!))
        .executeTakeFirstOrThrow();
      return count;
    },
  };
}
