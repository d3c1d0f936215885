import { sql, type Kysely } from 'kysely';
import type { RouteFollower } from '../../../activities/rollout-ports.js';
import type { Database } from '../database.js';

type Ack = { readonly gateway: string; readonly model: string; readonly generation: number; readonly refused: string | null };

/** Renews (or begins) the lease; the end is reckoned by the database's clock, so gateways' clocks may differ. */
export async function renewLease(db: Kysely<Database>, { id, url, ttlMs }: { id: string; url: string; ttlMs: number }): Promise<void> {
  const until = sql<Date>`clock_timestamp() + ${ttlMs} * interval '1 millisecond'`;
  await db
    .insertInto('gateways')
    .values({ id, url, lease_until: until })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ url, lease_until: until }))
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
