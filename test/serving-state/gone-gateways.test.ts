import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { acknowledge, renewLease } from '../../adapters/postgres/serving/gateways.js';
import { freshModel, servingWorld } from './world.js';

const world = servingWorld();

test('a gateway that begins forgets those that were killed long ago, with what they acknowledged', async () => {
  const db = world.db();
  const model = freshModel();
  for (const id of ['killed', 'away', 'alive']) {
    await renewLease(db, { id, url: `http://${id}`, ttlMs: 5_000 });
    await acknowledge(db, { gateway: id, model, generation: 3, refused: null });
  }
  const ended = (id: string, days: number) =>
    sql`update gateways set lease_until = clock_timestamp() - ${days} * interval '1 day' where id = ${id}`.execute(db);
  await ended('killed', 31);
  await ended('away', 29);
  const known = async () => ({
    gateways: (await db.selectFrom('gateways').select('id').orderBy('id').execute()).map(({ id }) => id),
    acks: (await db.selectFrom('gateway_acks').select('gateway').orderBy('gateway').execute()).map(({ gateway }) => gateway),
  });
  // A lease that is only renewed has nothing to look for.
  await renewLease(db, { id: 'alive', url: 'http://alive', ttlMs: 5_000 });
  expect((await known()).gateways).toEqual(['alive', 'away', 'killed']);
  await renewLease(db, { id: 'new', url: 'http://new', ttlMs: 5_000 });
  expect(await known()).toEqual({ gateways: ['alive', 'away', 'new'], acks: ['alive', 'away'] });
});
