import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { proveFirstRun } from '../../activities/evaluation/first-run.js';
import { createModelTrials } from '../../adapters/onnx/model-trials.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import { dataWorld, rentals, rentalsCsv, rentalsEnd } from '../data/world.js';
import { trialProgram } from '../gateway/support/trial-program.js';
import type { Activities } from './trained.js';
import { activitiesOf, context, prepared } from './trained.js';

const fixture = (name: string): Promise<Uint8Array> => readFile(new URL(`../gateway/fixtures/${name}.onnx`, import.meta.url));
/** As many features as the fixtures take. */
const two: TrainedDefinition = { ...rentals, features: rentals.features.slice(0, 2) };

describe('a trained file', () => {
  const trials = createModelTrials({ program: trialProgram() });
  afterAll(() => trials.close());

  it('that crashes ONNX Runtime is rejected, and only its own process ends', async () => {
    await expect(proveFirstRun(trials, await fixture('crashing'), 2)).rejects.toMatchObject({
      type: 'ArtifactRejected',
      message: expect.stringMatching(/^model.onnx is not evaluated or packaged: it crashed the process .*SIGFPE/),
    });
    await expect(proveFirstRun(trials, await fixture('linear'), 2)).resolves.toBeUndefined();
  });

  it('that only refuses zeros is left to the rows that it is for', async () => {
    await expect(proveFirstRun(trials, await fixture('linear'), 7)).resolves.toBeUndefined();
  });
});

describe('the activity that evaluates', () => {
  let activities: Activities;
  let step: { readonly definition: TrainedDefinition } & typeof context & { readonly model: string };
  let holdout: Awaited<ReturnType<typeof prepared>>['holdout'];
  let store: (bytes: Uint8Array) => Promise<{ digest: string; bytes: number; mediaType: string }>;

  beforeAll(async () => {
    const world = await dataWorld();
    world.source('rentals.csv', rentalsCsv());
    activities = await activitiesOf(world);
    step = { ...context, model: two.name, definition: two };
    ({ holdout } = await prepared(activities, two, rentalsEnd));
    store = (bytes) => world.objects.put(bytes, 'application/octet-stream');
  });

  it('rejects a file that would take the worker down', async () => {
    const crashing = activities.evaluateModel({ ...step, onnx: await store(await fixture('crashing')), holdout, champion: null });
    await expect(crashing).rejects.toMatchObject({ type: 'ArtifactRejected' });
    const linear = await activities.evaluateModel({ ...step, onnx: await store(await fixture('linear')), holdout, champion: null });
    expect(linear.rows).toBe(holdout.rows);
  });
});
