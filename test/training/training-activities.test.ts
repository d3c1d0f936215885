import { beforeAll, describe, expect, it } from 'vitest';
import type { JobHeartbeat } from '../../activities/follow-job.js';
import type { TrainInput } from '../../contracts/activities.js';
import type { TuneInput } from '../../contracts/tune.js';
import { activitiesOf, metrics, smallTable, testContext, trainInput, trainingWorld, until, type TrainingWorld } from './world.js';

let world: TrainingWorld;
beforeAll(async () => {
  world = await trainingWorld();
});

const long = { objective: 'poisson', n_estimators: 50_000, num_leaves: 7, learning_rate: 0.0005 };
const misbehaving = (name: string, silenceLimitMs = 60_000) => ({ name, hyperparameters: {}, seed: 7, refit: false, silenceLimitMs });
const jobOf = (run: string) => world.jobNames().filter((name) => name.includes(run));

async function running(run: string): Promise<string> {
  await until(async () => {
    const name = jobOf(run).at(-1);
    return name !== undefined && (await world.compute.events(name, 0)).events.some((event) => event.kind === 'progress');
  });
  return jobOf(run).at(-1)!;
}

describe('trainModel', () => {
  it('stores the model and tracks what the trainer measures', async () => {
    const context = testContext();
    const input = await trainInput(world, { run: 'whole' });
    const trained = await activitiesOf(world, context).trainModel(input);
    for (const object of [trained.onnx, trained.native, trained.manifest]) expect(await world.objects.has(object.digest)).toBe(true);
    expect(trained.metrics.map((metric) => metric.name)).toEqual(['mape', 'wape']);
    const curve = world.logged.filter((metric) => metric.name === 'train/mape');
    expect(curve.map((metric) => metric.step)).toEqual(Array.from({ length: 20 }, (_, index) => 3 * (index + 1)));
    expect(curve.at(-1)?.value).toBeCloseTo(trained.metrics[0]!.value!, 6);
    const last = context.beats.at(-1) as JobHeartbeat;
    expect(last).toMatchObject({ purpose: 'train', round: 60, rounds: 60 });
    expect(Object.keys(last.metrics)).toEqual(['mape', 'wape']);
  });

  it('is reused by the next run, for the refit of the same rows too, and not without the cache', async () => {
    const again = await activitiesOf(world).trainModel(await trainInput(world, { run: 'second', purpose: 'refit' }));
    expect(again.reusedFrom).toBe('whole');
    const fresh = await activitiesOf(world).trainModel(await trainInput(world, { run: 'third', useCache: false }));
    expect(fresh.reusedFrom).toBeUndefined();
    expect(fresh.onnx).toEqual(again.onnx);
  });

  it('stops the trainer when it is cancelled, and answers when it is gone', async () => {
    const context = testContext();
    const training = activitiesOf(world, context).trainModel(await trainInput(world, { run: 'cancelled', hyperparameters: long }));
    const job = await running('cancelled');
    const pid = world.pid(job);
    context.cancel('CANCELLED');
    await expect(training).rejects.toThrow('CANCELLED');
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(await world.compute.describe(job)).toMatchObject({ status: 'failed', kind: 'stopped' });
  });

  it('lets the trainer go on when only the worker shuts down; a killed one is resumed by the next attempt', async () => {
    const context = testContext();
    const input = await trainInput(world, { run: 'handed-over', hyperparameters: { ...long, n_estimators: 1_000 } });
    const training = activitiesOf(world, context).trainModel(input);
    const job = await running('handed-over');
    context.cancel('WORKER_SHUTDOWN');
    await expect(training).rejects.toThrow('WORKER_SHUTDOWN');
    const second = activitiesOf(world, testContext(context.beats.at(-1))).trainModel(input);
    await until(() => world.jobNames().includes(job));
    expect(jobOf('handed-over')).toEqual([job]);
    await expect(second).resolves.toMatchObject({ metrics: [{ name: 'mape' }, { name: 'wape' }] });
    expect(jobOf('handed-over')).toEqual([job]);
  });

  it('fails so that it is tried again when the trainer is killed', async () => {
    const input = await trainInput(world, { run: 'killed', hyperparameters: long });
    const training = activitiesOf(world).trainModel(input);
    const failed = expect(training).rejects.toMatchObject({ type: 'TrainerFailed', retryable: true, details: { kind: 'killed' } });
    process.kill(world.pid(await running('killed')), 'SIGKILL');
    await failed;
    const context = testContext();
    const second = activitiesOf(world, context).trainModel(input);
    await until(() => jobOf('killed').length === 2);
    expect(
      jobOf('killed')
        .map((name) => name.slice(-2))
        .toSorted(),
    ).toEqual(['a1', 'a2']);
    context.cancel('CANCELLED');
    await expect(second).rejects.toThrow('CANCELLED');
  });

  it('stops a trainer that hangs, though it ignores SIGTERM', async () => {
    const training = activitiesOf(world).trainModel(await trainInput(world, { run: 'hung', trainer: misbehaving('hangs', 1_500) }));
    await expect(training).rejects.toMatchObject({
      type: 'TrainerFailed',
      retryable: false,
      message: expect.stringContaining('waiting for a lock'),
    });
    expect(() => process.kill(world.pid(jobOf('hung')[0]!), 0)).toThrow('ESRCH');
  });

  it.each([
    ['crashes', 'RuntimeError: segment 7 cannot be read'],
    ['crashes', 'libfoo: bad magic in segment 7'],
    ['modelless', 'ended with code 0 but left no model/model.onnx'],
    ['unimportable', "No module named 'a_package_that_nobody_has'"],
    ['absent', 'this machine has crashes, hangs, lightgbm, modelless, unimportable'],
  ])('says why the trainer that %s failed: %s', async (name, message) => {
    const training = activitiesOf(world).trainModel(await trainInput(world, { run: name, trainer: misbehaving(name) }));
    await expect(training).rejects.toMatchObject({ type: 'TrainerFailed', retryable: false, message: expect.stringContaining(message) });
  });

  it('outlasts a registry that is away', async () => {
    let away = 5;
    const kept: number[] = [];
    const deps = {
      ...world.deps,
      metrics: {
        async log(entry: { metrics: readonly { step: number }[] }) {
          if (away-- > 0) throw new Error('connection refused');
          kept.push(...entry.metrics.map((metric) => metric.step));
        },
      },
    };
    const input = await trainInput(world, { run: 'registry-away', useCache: false });
    const training = activitiesOf({ ...world, deps });
    // A job that ends while the registry is still away fails the attempt; the next one, as Temporal makes it, attaches.
    const attempt = (left: number): Promise<unknown> =>
      training.trainModel(input).catch((error: unknown) => {
        if (left === 0 || String(error) !== 'Error: connection refused') throw error;
        return attempt(left - 1);
      });
    await attempt(5);
    expect(new Set(kept).size).toBe(20);
  });
});

describe('runTrial', () => {
  async function trialInput(change: Partial<TuneInput> = {}): Promise<TuneInput> {
    const { model, run, trainer, features, target, train, validation }: TrainInput = await trainInput(world, { run: 'tuned' });
    const tuning = { sampler: 'bayesian', trials: 4, parallelism: 2, objective: 'mape', space: {} } as const;
    const hyperparameters = { objective: 'poisson', n_estimators: 40 };
    return {
      model,
      run,
      tuning,
      trainer: { ...trainer, hyperparameters },
      metrics,
      features,
      target,
      train,
      validation: validation!,
      useCache: true,
      ...change,
    };
  }

  it('scores a trial on the validation rows, by the objective of the study', async () => {
    const trial = await activitiesOf(world).runTrial({ ...(await trialInput()), number: 3, params: { num_leaves: 9 } });
    expect(trial).toMatchObject({ number: 3, params: { num_leaves: 9 }, state: 'complete', value: expect.any(Number) });
    // The curve sums tree by tree, the result all at once.
    expect(world.logged.findLast((metric) => metric.name === 'trial-003/mape')?.value).toBeCloseTo(trial.value!, 9);
    const again = await activitiesOf(world).runTrial({ ...(await trialInput({ run: 'tuned-2' })), number: 3, params: { num_leaves: 9 } });
    expect(again).toEqual({ ...trial, reusedFrom: 'tuned' });
  });

  it('gives a trial back as failed when its settings cannot be trained', async () => {
    const trial = await activitiesOf(world).runTrial({ ...(await trialInput()), number: 4, params: { num_leaves: 1 } });
    expect(trial).toEqual({ number: 4, params: { num_leaves: 1 }, state: 'failed', value: null });
  });

  it('gives it back as failed when nothing could be measured', async () => {
    const validation = await world.table(`SELECT * REPLACE (y / 100 AS y) FROM (${smallTable(150)})`);
    const trial = await activitiesOf(world).runTrial({ ...(await trialInput({ validation })), number: 5, params: {} });
    expect(trial).toMatchObject({ state: 'failed', value: null });
  });

  it('fails the study when no trial could ever be trained', async () => {
    const broken = { ...(await trialInput({ trainer: misbehaving('unimportable') })), number: 6, params: {} };
    await expect(activitiesOf(world).runTrial(broken)).rejects.toMatchObject({ type: 'TrainerFailed', details: { kind: 'environment' } });
  });
});
