import { expect, test } from 'vitest';
import { createCaptureStore } from '../../adapters/postgres/serving/capture-store.js';
import { createCaptureUpkeep } from '../../adapters/postgres/serving/capture-upkeep.js';
import { addVersion, capture, freshModel, rolloutOf, servingWorld } from './world.js';

const world = servingWorld();
const parts = () => ({ store: createCaptureStore(world.db()), upkeep: createCaptureUpkeep(world.db()) });
const version = '1.0.0';

async function all(forget: () => Promise<number>): Promise<number[]> {
  const portions: number[] = [];
  for (;;) {
    const forgotten = await forget();
    if (forgotten === 0) return portions;
    portions.push(forgotten);
  }
}
const left = async (table: 'captures' | 'labels', model: string) =>
  (await world.db().selectFrom(table).select('subject').where('model', '=', model).orderBy('subject').execute()).map(
    ({ subject }) => subject,
  );

test('captures go by the wall time at which they were made, in portions, and those of other models stay', async () => {
  const { store, upkeep } = parts();
  const [model, other] = [freshModel(), freshModel()];
  await store.write(Array.from({ length: 7_000 }, (_, i) => capture({ model, version, atMs: 1_000 + i, eventTimeMs: 9e12 })));
  await store.write([
    capture({ model, version, subject: 'young', atMs: 8_000, eventTimeMs: 0 }),
    capture({ model: other, version, subject: 'other', atMs: 1_000 }),
  ]);
  expect(await upkeep.models()).toEqual(expect.arrayContaining([model, other].sort()));
  expect(await all(() => upkeep.forgetCaptures(model, 8_000))).toEqual([5_000, 2_000]);
  expect(await left('captures', model)).toEqual(['young']);
  expect(await left('captures', other)).toEqual(['other']);
});

test('labels go with the captures that they are joined to, and not before', async () => {
  const { store, upkeep } = parts();
  const model = freshModel();
  await store.write([
    capture({ model, version, subject: 'gone', atMs: 1_000 }),
    capture({ model, version, subject: 'asked-again', atMs: 1_000 }),
    capture({ model, version, subject: 'asked-again', atMs: 9_000 }),
  ]);
  await store.label(model, [
    { subject: 'gone', value: 1 },
    { subject: 'asked-again', value: 2 },
    { subject: 'never-asked', value: 3, eventTimeMs: 5_000 },
  ]);
  const tomorrow = Date.now() + 86_400_000;
  await upkeep.forgetCaptures(model, 5_000);
  // A label that is younger than the retention stays, also without a capture: one may come again.
  expect(await all(() => upkeep.forgetLabels(model, 5_000))).toEqual([]);
  expect(await all(() => upkeep.forgetLabels(model, tomorrow))).toEqual([2]);
  expect(await left('labels', model)).toEqual(['asked-again']);
  expect(await world.db().selectFrom('outcomes').select('value').where('model', '=', model).execute()).toHaveLength(2);
  await upkeep.forgetCaptures(model, tomorrow);
  await upkeep.forgetLabels(model, tomorrow);
  expect(await upkeep.models()).not.toContain(model);
});

test('a rollout that runs says from when on captures are needed, until it is over', async () => {
  const { upkeep } = parts();
  const model = freshModel();
  await addVersion(world.db(), { model, version });
  expect(await upkeep.neededFromMs(model)).toBeNull();
  const startedMs = Date.now();
  await world.store().begin(rolloutOf({ model, version, champion: null }));
  const needed = await upkeep.neededFromMs(model);
  expect(needed).not.toBeNull();
  // Postgres runs on this machine, by the same clock.
  expect(Math.abs(needed! - startedMs)).toBeLessThan(86_400_000);
  await world.store().end({ model, version, promotionId: `${model}:${version}:1`, outcome: 'aborted', reason: 'test', steps: [] });
  expect(await upkeep.neededFromMs(model)).toBeNull();
});
