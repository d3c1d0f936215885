import { expect, test } from 'vitest';
import { createClockActivities } from '../../activities/clock.activities.js';
import { advanceDrivenClock, createClock, createDrivenClock } from '../../adapters/postgres/serving/clocks.js';
import { hour, servingWorld } from '../serving-state/world.js';
import { activityRun } from './activity-run.js';

const world = servingWorld();

test('whoever awaits a driven clock is answered when it gets there, and stops when cancelled', async () => {
  const db = world.db();
  await createDrivenClock(db, { name: 'c', nowMs: 0 });
  const { readClock, awaitClock } = createClockActivities({ clock: createClock(db) });
  const { environment, run } = activityRun();
  const heartbeats: unknown[] = [];
  environment.on('heartbeat', (details) => heartbeats.push(details));
  expect(await readClock({ name: 'c' })).toEqual({ nowMs: 0 });
  const waiting = run(awaitClock, { name: 'c', untilMs: 2 * hour });
  await advanceDrivenClock(db, { name: 'c', fromMs: 0, toMs: hour });
  await advanceDrivenClock(db, { name: 'c', fromMs: hour, toMs: 3 * hour });
  expect(await waiting).toEqual({ nowMs: 3 * hour });
  expect(await run(awaitClock, { name: 'c', untilMs: hour })).toEqual({ nowMs: 3 * hour });

  const never = expect(run(awaitClock, { name: 'c', untilMs: 9 * hour })).rejects.toMatchObject({ name: 'CancelledFailure' });
  while (!heartbeats.some((details) => (details as { untilMs?: number } | null)?.untilMs === 9 * hour))
    await new Promise((resolve) => setImmediate(resolve));
  environment.cancel();
  await never;
  await expect(readClock({ name: 'nobody' })).rejects.toMatchObject({ type: 'Unavailable' });
});
