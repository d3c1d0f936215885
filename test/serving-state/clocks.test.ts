import { expect, test } from 'vitest';
import { advanceDrivenClock, createClock, createDrivenClock } from '../../adapters/postgres/serving/clocks.js';
import { hour, servingWorld } from './world.js';

const world = servingWorld();

test('a driven clock stands where its driver put it, and never goes back', async () => {
  const db = world.db();
  const clock = createClock(db);
  const now = () => clock.now({ kind: 'driven', name: 'rehearsal' });
  await expect(now()).rejects.toMatchObject({ type: 'Unavailable', message: expect.stringContaining('rehearsal') });
  expect(await createDrivenClock(db, { name: 'rehearsal', nowMs: hour })).toEqual({ nowMs: hour, created: true });
  expect(await createDrivenClock(db, { name: 'rehearsal', nowMs: 9 * hour })).toEqual({ nowMs: hour, created: false });
  expect(await now()).toBe(hour);
  await advanceDrivenClock(db, { name: 'rehearsal', fromMs: hour, toMs: 2 * hour });
  expect(await advanceDrivenClock(db, { name: 'rehearsal', fromMs: hour, toMs: 2 * hour })).toEqual({ nowMs: 2 * hour });
  await expect(advanceDrivenClock(db, { name: 'rehearsal', fromMs: hour, toMs: 3 * hour })).rejects.toMatchObject({ type: 'Conflict' });
  await expect(advanceDrivenClock(db, { name: 'rehearsal', fromMs: 2 * hour, toMs: hour })).rejects.toMatchObject({ type: 'Conflict' });
  await expect(advanceDrivenClock(db, { name: 'rehearsal', fromMs: 2 * hour, toMs: NaN })).rejects.toMatchObject({ type: 'DataInvalid' });
  await expect(advanceDrivenClock(db, { name: 'other', fromMs: 0, toMs: 1 })).rejects.toMatchObject({ type: 'Unavailable' });
  expect(await now()).toBe(2 * hour);
});

test('of many drivers of one hour one moves the clock', async () => {
  const db = world.db();
  await createDrivenClock(db, { name: 'race', nowMs: 0 });
  const settled = await Promise.allSettled(
    Array.from({ length: 50 }, (_, index) => advanceDrivenClock(db, { name: 'race', fromMs: 0, toMs: index + 1 })),
  );
  const won = settled.filter((outcome) => outcome.status === 'fulfilled');
  expect(won).toHaveLength(1);
  expect(await createClock(db).now({ kind: 'driven', name: 'race' })).toBe(won[0]!.value.nowMs);
});

test('a live clock is the wall', async () => {
  const before = Date.now();
  const now = await createClock(world.db()).now({ kind: 'live' });
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThanOrEqual(Date.now());
});
