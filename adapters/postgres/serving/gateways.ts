import { sql, type Kysely } from 'kysely';
import type { RouteFollower } from '../../../activities/rollout-ports.js';
import type { Database } from '../database.js';

type Ack = { readonly gateway: string; readonly model: string; readonly generation: number; readonly refused: string | null };

/** A gateway whose lease ended so long ago was killed and comes back under another id, if at all. */
const goneForDays = 30;

/**
 * Renews the lease; the end is reckoned by the database's clock, so gateways' clocks may differ. One that begins forgets those
 * that never said that they left.
 */
export async function renewLease(db: Kysely<Database>, { id, url, ttlMs }: { id: string; url: string; ttlMs: number }): Promise<void> {
  const until = sql<Date>`clock_timestamp() + ${ttlMs} * interval '1 millisecond'`;
  const { isNew } = await db
    .insertInto('gateways')
    .values({ id, url, lease_until: until })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ url, lease_until: until }))
    .returning(sql<boolean>`xmax = 0`.as('isNew'))
    .executeTakeFirstOrThrow();
  if (isNew) await forgetGone(db);
}

async function forgetGone(db: Kysely<Database>): Promise<void> {
  const longAgo = sql<Date>`clock_timestamp() - ${goneForDays} * interval '1 day'`;
  const gone = await db.deleteFrom('gateways').where('lease_until', '<', longAgo).returning('id').execute();
  if (gone.length === 0) return;
  const ids = gone.map(({ id }) => id);
  await db
    .deleteFrom('gateway_acks')
    .where('gateway', '=', sql<string>`any(${ids}::text[])`)
    .execute();
}

/** Forgets a gateway that leaves, and what it acknowledged. */
export async function dropLease(db: Kysely<Database>, id: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom('gateways').where('id', '=', id).execute();
    await trx.deleteFrom('gateway_acks').where('gateway', '=', id).execute();
  });
}

/** Records what a gateway did with a generation. An acknowledgement that comes after one of a newer generation is let go. */
export async function acknowledge(db: Kysely<Database>, { gateway, model, generation, refused }: Ack): Promise<void> {
  await db
    .insertInto('gateway_acks')
    .values({ gateway, model, generation, refused })
    .onConflict((conflict) =>
      conflict
        .columns(['gateway', 'model'])
        .doUpdateSet({ generation, refused, acked_at: sql<Date>`clock_timestamp()` })
        .where('gateway_acks.generation', '<=', generation),
    )
    .execute();
}

/** The gateways whose lease is fresh, by id. */
export async function leasedGateways(db: Kysely<Database>, model: string): Promise<RouteFollower[]> {
  return await db
    .selectFrom('gateways')
    .leftJoin('gateway_acks', (join) => join.onRef('gateway_acks.gateway', '=', 'gateways.id').on('gateway_acks.model', '=', model))
    .select(['gateways.id', 'gateways.url', 'gateway_acks.generation', 'gateway_acks.refused'])
    .where('gateways.lease_until', '>', sql<Date>`clock_timestamp()`)
    .orderBy('gateways.id')
    .execute();
}
