import { expect, test } from 'vitest';
import { createCaptureStore } from '../../adapters/postgres/serving/capture-store.js';
import { createMeasurement } from '../../adapters/postgres/serving/measurement.js';
import { capture, freshModel, hour, servingWorld } from './world.js';

const world = servingWorld();

test('answers that were given before are stored as such, and say nothing of their version’s speed', async () => {
  const model = freshModel();
  const store = createCaptureStore(world.db());
  const subject = `${hour}`;
  await store.write([
    capture({ model, version: '1.0.0', id: 'run', subject, latencyMs: 20, predicted: 5 }),
    { ...capture({ model, version: '1.0.0', id: 'kept', subject, latencyMs: 0.01, predicted: 5 }), cached: true },
  ]);
  const stored = await world.db().selectFrom('captures').select(['id', 'cached']).where('model', '=', model).orderBy('id').execute();
  expect(stored).toEqual([
    { id: 'kept', cached: true },
    { id: 'run', cached: false },
  ]);
  const measured = await createMeasurement(world.db()).variant({ model, version: '1.0.0', shadow: false, fromMs: 0, toMs: 1_000 * hour });
  expect(measured).toMatchObject({ requests: 1, errors: 0 });
  expect(measured.p95Ms).toBeGreaterThan(19);
});
