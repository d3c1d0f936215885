import { expect, test } from 'vitest';
import { createRolloutActivities } from '../../activities/rollout.activities.js';
import { createUpkeepActivities } from '../../activities/upkeep.activities.js';
import { createCaptureStore } from '../../adapters/postgres/serving/capture-store.js';
import { createClock } from '../../adapters/postgres/serving/clocks.js';
import { createQualitySource } from '../../adapters/postgres/serving/live-quality.js';
import { createMeasurement } from '../../adapters/postgres/serving/measurement.js';
import { rolloutTable } from '../../adapters/postgres/serving/rollout-queries.js';
import type { ImportedDefinition } from '../../domain/model-definition.js';
import { capture, hour, limits as judged, liveModel, plan, rolloutOf, servingWorld } from '../serving-state/world.js';
import { tensorsDefinition } from '../support/imported-definitions.js';
import { activityRun } from './activity-run.js';

const world = servingWorld();
const { quality: _, ...limits } = judged;
const start = Date.UTC(2026, 10, 1);

/** A canary whose definition names no quality, with captures and labels by which it would fail at once. */
async function canary(over: Partial<typeof judged> = {}) {
  const db = world.db();
  const model = await liveModel(db, '1.0.1');
  const store = world.store();
  const input = { ...rolloutOf({ model, version: '1.0.1', champion: '1.0.0' }), limits: { ...limits, ...over } };
  const { promotionId } = input;
  await store.begin(input);
  await store.applyRoute({ model, promotionId, stepIndex: 0, champion: '1.0.0', challenger: '1.0.1', share: 0.05, shadow: false });
  const captures = createCaptureStore(db);
  const questions = Array.from({ length: 30 }, (_one, i) => ({ subject: `question ${i}`, eventTimeMs: start + i }));
  await captures.write(
    questions.flatMap(({ subject, eventTimeMs }) => [
      capture({ model, version: '1.0.0', subject, eventTimeMs, predicted: 100 }),
      capture({ model, version: '1.0.1', subject, eventTimeMs, predicted: 900 }),
    ]),
  );
  await captures.label(
    model,
    questions.map(({ subject }, i) => ({ subject, value: 100 + (i % 3) })),
  );
  const measurement = createMeasurement(db);
  let asked = 0;
  const activities = createRolloutActivities({
    store,
    measurement: {
      ...measurement,
      pairs: (question) => {
        asked += 1;
        return measurement.pairs(question);
      },
    },
    clock: { ...createClock(db), now: async () => start + hour },
    lookIntervalMs: { live: 10, driven: 10 },
    objects: { get: () => Promise.reject(new Error('no object is read here')) },
    verifyPackage: () => Promise.reject(new Error('nothing is promoted here')),
  });
  const evidence = await activityRun().run(activities.watchStep, {
    model,
    promotionId,
    stepIndex: 0,
    step: plan.steps[0]!,
    limits: input.limits,
    champion: '1.0.0',
    challenger: '1.0.1',
    clock: input.clock,
    rolloutStartMs: start,
    stepStartMs: start,
    deadlineMs: start + 2 * hour,
    until: 'verdict',
  });
  return { model, promotionId, evidence, asked: () => asked };
}

test('a step that labels do not judge passes on what gateways measured; no label is read', async () => {
  const { evidence, promotionId, asked } = await canary();
  expect(evidence).toMatchObject({
    verdict: { outcome: 'pass', reason: expect.stringMatching(/not shown: .*quality$/) as string },
    pairs: 0,
    championError: null,
    challengerError: null,
    champion: { requests: 30 },
    challenger: { requests: 30 },
  });
  expect(asked()).toBe(0);
  const table = await rolloutTable(world.db(), promotionId);
  expect(table?.steps[0]?.evidence.limits).not.toHaveProperty('quality');
});

test('its looks tell no quality of a live version; those of a step that labels judge do', async () => {
  const figures = async (model: string) => (await createQualitySource(world.db()).live()).filter((figure) => figure.model === model);
  expect(await figures((await canary()).model)).toEqual([]);
  const { model, evidence, asked } = await canary({ quality: { metric: 'absoluteError', floor: 0 } });
  expect(asked()).toBeGreaterThan(0);
  expect(evidence.verdict.outcome).toBe('fail');
  expect(await figures(model)).toMatchObject([
    { version: '1.0.0', metric: 'mae', rows: 30 },
    { version: '1.0.1', metric: 'mae', rows: 30 },
  ]);
});

test('captures of an imported model go after its own days, and after the usual ones where it names none', async () => {
  const dayMs = 24 * hour;
  const nowMs = 1_000 * dayMs;
  const kept: ImportedDefinition = {
    ...tensorsDefinition,
    name: 'kept-short',
    serving: { ...tensorsDefinition.serving, capture: { retentionDays: 30 } },
  };
  const forgotten: [string, number][] = [];
  const forget = async (model: string, beforeMs: number) => {
    forgotten.push([model, (nowMs - beforeMs) / dayMs]);
    return 0;
  };
  const activities = createUpkeepActivities({
    latencies: { rollUp: async () => ({ merged: 0, made: 0 }), forgetBefore: async () => 0 },
    captures: {
      models: async () => [kept.name, tensorsDefinition.name],
      neededFromMs: async () => null,
      forgetCaptures: forget,
      forgetLabels: async () => 0,
    },
    files: { removeBefore: forget },
    definitions: async () => [kept, tensorsDefinition],
    nowMs: () => nowMs,
  });
  await activityRun().environment.run(() => activities.forgetCaptures());
  await activityRun().environment.run(() => activities.removeCaptureFiles());
  expect(forgotten).toEqual([
    [kept.name, 30],
    [tensorsDefinition.name, 90],
    [kept.name, 30],
    [tensorsDefinition.name, 90],
  ]);
});
