import { expect, test } from 'vitest';
import { json } from '../../adapters/postgres/columns.js';
import { createQualitySource } from '../../adapters/postgres/serving/live-quality.js';
import type { MetricValue } from '../../domain/metrics.js';
import { lookAtStep } from '../../domain/rollout-judgement.js';
import { hour, limits, liveModel, plan, rolloutOf, servingWorld } from './world.js';

const world = servingWorld();
const evaluated: readonly MetricValue[] = [
  { name: 'mapeDay', kind: 'mape', value: 0.12, count: 400, excluded: 3 },
  { name: 'rmse', kind: 'rmse', value: null, count: 0, excluded: 0 },
];

async function evaluate(model: string, version: string): Promise<void> {
  const values = { metrics: json(evaluated) };
  await world.db().updateTable('versions').set(values).where('model', '=', model).where('version', '=', version).execute();
}

/** A look with ten labelled pairs: the champion 10% off, the challenger 20%. */
function look(pairs: number) {
  const figures = { requests: 100, errors: 0, p50Ms: 5, p95Ms: 9, p99Ms: 9 };
  const step = plan.steps[0]!;
  const measurements = {
    fromMs: 0,
    toMs: hour,
    champion: { version: '1.0.0', ...figures },
    challenger: { version: '1.0.1', ...figures },
    pairs: Array.from({ length: pairs }, (_, i) => ({ subject: `${i}`, actual: 100, champion: 110, challenger: 120 })),
  };
  return lookAtStep({ step, limits, measurements, elapsedMs: hour });
}

test('a live version has the figures of its evaluation, without those that nothing was measured for', async () => {
  const model = await liveModel(world.db(), '1.0.1');
  for (const version of ['1.0.0', '1.0.1']) await evaluate(model, version);
  const figures = (await createQualitySource(world.db()).live()).filter((figure) => figure.model === model);
  expect(figures).toEqual([
    { model, version: '1.0.0', metric: 'mapeDay', value: 0.12, source: 'evaluation', rows: 400, measuredAtMs: expect.any(Number) },
  ]);
});

test('both versions of a rollout have what its newest look measured on labelled requests', async () => {
  const model = await liveModel(world.db(), '1.0.1');
  const store = world.store();
  const input = rolloutOf({ model, version: '1.0.1', champion: '1.0.0' });
  const { promotionId } = input;
  await store.begin(input);
  await store.applyRoute({ model, promotionId, stepIndex: 0, champion: '1.0.0', challenger: '1.0.1', share: 0.05, shadow: false });
  const rollouts = async () =>
    (await createQualitySource(world.db()).live()).filter((figure) => figure.model === model && figure.source === 'rollout');
  await store.recordLook({ promotionId, stepIndex: 0, evidence: look(0) });
  expect(await rollouts()).toEqual([]);
  await store.recordLook({ promotionId, stepIndex: 0, evidence: look(10) });
  expect(await rollouts()).toEqual([
    {
      model,
      version: '1.0.0',
      metric: 'mape',
      value: expect.closeTo(0.1, 12),
      source: 'rollout',
      rows: 10,
      measuredAtMs: expect.any(Number),
    },
    {
      model,
      version: '1.0.1',
      metric: 'mape',
      value: expect.closeTo(0.2, 12),
      source: 'rollout',
      rows: 10,
      measuredAtMs: expect.any(Number),
    },
  ]);
  expect(Date.now() - (await rollouts())[0]!.measuredAtMs).toBeLessThan(600_000);
});
