import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import type { JobSpec } from '../../activities/ports.js';
import { bikeFeatures, bikeTable, jobSpec, metrics, smallTable, trainingWorld, until, untilJob, type TrainingWorld } from '../training/world.js';

let world: TrainingWorld;
beforeAll(async () => {
  world = await trainingWorld();
});

type Manifest = {
  onnx: { parity: Record<'rows' | 'rowsWithAbsentFeatures' | 'maxRelativeDifference' | 'nativeOriginalMaxDifference' | 'tolerance', number> };
  sample: { inputs: (number | null)[][]; outputs: number[]; tolerance: number };
  metrics: { name: string; value: number }[];
  rounds: number;
};

async function completed(spec: JobSpec): Promise<{ folder: string; manifest: Manifest; file: (name: string) => Buffer }> {
  await world.compute.start(spec);
  const { folder } = await untilJob(world, spec.name, 'completed');
  const file = (name: string) => readFileSync(join(folder, 'model', name));
  return { folder, file, manifest: JSON.parse(file('manifest.json').toString()) as Manifest };
}

async function refused(change: Partial<JobSpec>) {
  const spec = await jobSpec(world, change);
  await world.compute.start(spec);
  return untilJob(world, spec.name, 'failed');
}

describe('on 200 days of Bikeshare', () => {
  let trained: Awaited<ReturnType<typeof completed>>;
  beforeAll(async () => {
    trained = await completed(
      await jobSpec(world, {
        name: 'bikes-a1',
        checkpoint: 'bikes',
        hyperparameters: { objective: 'poisson', num_leaves: 40, learning_rate: 0.05, n_estimators: 300 },
        channels: { train: await world.table(bikeTable('train')), validation: await world.table(bikeTable('holdout')) },
        inputConfig: { features: bikeFeatures, target: 'y', metrics, seed: 7 },
      }),
    );
  });

  it('reaches the accuracy measured for a Poisson objective', () => {
    const mape = trained.manifest.metrics.find((metric) => metric.name === 'mape')?.value;
    console.log(`MAPE at floor 100, 200 days as of 2011-10-01: ${mape}`);
    expect(mape).toBeGreaterThan(0.1);
    expect(mape).toBeLessThan(0.15);
  });

  it('answers from ONNX as the native model does, absent features included', () => {
    const { parity } = trained.manifest.onnx;
    console.log('parity', parity);
    expect(parity.rows).toBeGreaterThan(3_800);
    expect(parity.rowsWithAbsentFeatures).toBeGreaterThan(1_000);
    expect(parity.maxRelativeDifference).toBeLessThan(parity.tolerance);
    // Thresholds rounded down to float32 decide alike for every float32: the native model answers as before, bit by bit.
    expect(parity.nativeOriginalMaxDifference).toBe(0);
  });

  it('answers the same in the runtime that serves it', async () => {
    const session = await InferenceSession.create(join(trained.folder, 'model', 'model.onnx'));
    expect(session.inputNames).toEqual(['features']);
    const { inputs, outputs, tolerance } = trained.manifest.sample;
    expect(inputs).toHaveLength(16);
    const rows = Float32Array.from(inputs.flat().map((value) => value ?? NaN));
    const answer = await session.run({ features: new Tensor('float32', rows, [inputs.length, bikeFeatures.length]) });
    const found = answer[session.outputNames[0]!]!;
    expect(found.dims).toEqual([inputs.length, 1]);
    [...(found.data as Float32Array)].forEach((value, row) => {
      expect(Math.abs(value - outputs[row]!)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(outputs[row]!)));
    });
  });

  it('is the same file when it is trained again', async () => {
    const input = JSON.parse(readFileSync(join(trained.folder, 'spec.json'), 'utf8')) as JobSpec;
    const again = await completed({ ...input, name: 'bikes-again-a1', checkpoint: 'bikes-again', hyperparameters: { ...input.hyperparameters, num_threads: 2 } });
    expect(again.file('model.onnx').equals(trained.file('model.onnx'))).toBe(true);
  });
});

describe.each([
  ['without sampling', {}],
  ['with rows and features drawn at random', { bagging_fraction: 0.7, bagging_freq: 1, feature_fraction: 0.5 }],
])('killed and resumed, %s', (title, sampling) => {
  it('ends in the file of an uninterrupted run', async () => {
    const key = `resume-${title.length}`;
    const spec = await jobSpec(world, {
      hyperparameters: { objective: 'poisson', n_estimators: 600, learning_rate: 0.02, num_leaves: 15, min_data_in_leaf: 5, ...sampling },
      channels: { train: await world.table(smallTable(1_500)) },
      // On a fast machine all rounds take a tenth of a second: the first checkpoint must come well before.
      inputConfig: { features: ['x', 'z'], target: 'y', seed: 7, checkpointEverySeconds: 0.02 },
    });
    const whole = await completed({ ...spec, name: `${key}-whole-a1`, checkpoint: `${key}-whole` });
    await world.compute.start({ ...spec, name: `${key}-a1`, checkpoint: key });
    await until(() => existsSync(join(world.home, 'jobs', '.checkpoints', key, 'checkpoint.json')));
    process.kill(world.pid(`${key}-a1`), 'SIGKILL');
    expect(await untilJob(world, `${key}-a1`, 'failed')).toMatchObject({ kind: 'killed' });
    const resumed = await completed({ ...spec, name: `${key}-a2`, checkpoint: key });
    expect(readFileSync(join(resumed.folder, 'stdout.jsonl'), 'utf8')).toMatch(/resuming after round [1-9]\d* of 600/);
    expect(resumed.manifest.rounds).toBe(600);
    expect(resumed.file('model.onnx').equals(whole.file('model.onnx'))).toBe(true);
    expect(resumed.file('model.txt').equals(whole.file('model.txt'))).toBe(true);
  });
});

it('stops at SIGTERM with a checkpoint', async () => {
  const spec = await jobSpec(world, { name: 'term-a1', checkpoint: 'term', hyperparameters: { n_estimators: 50_000, learning_rate: 0.001 } });
  await world.compute.start(spec);
  await until(async () => (await world.compute.events('term-a1', 0)).events.some((event) => event.kind === 'progress'));
  await world.compute.stop('term-a1');
  const state = await world.compute.describe('term-a1');
  expect(state).toMatchObject({ status: 'failed', kind: 'stopped' });
  const last = state.status === 'failed' ? state.lastLines.at(-1) : '';
  const rounds = Number(/stopped after round (\d+) of 50000; the checkpoint is kept/.exec(last ?? '')?.[1]);
  const kept = JSON.parse(readFileSync(join(world.home, 'jobs', '.checkpoints', 'term', 'checkpoint.json'), 'utf8')) as { rounds: number };
  expect(kept.rounds).toBe(rounds);
});

it('begins anew when the checkpoint belongs to other data', async () => {
  const spec = await jobSpec(world, { checkpoint: 'other', hyperparameters: { n_estimators: 50_000, learning_rate: 0.001 } });
  await world.compute.start({ ...spec, name: 'other-a1' });
  await until(async () => (await world.compute.events('other-a1', 0)).events.some((event) => event.kind === 'progress'));
  await world.compute.stop('other-a1');
  const { folder } = await completed({ ...spec, name: 'other-a2', hyperparameters: { n_estimators: 40 } });
  expect(readFileSync(join(folder, 'stdout.jsonl'), 'utf8')).toContain('the checkpoint belongs to other settings or data');
});

describe('refuses, with a message that names the place', () => {
  it('hyperparameters, all at once', async () => {
    const state = await refused({ name: 'bad-hp', hyperparameters: { num_leaves: 4.5, learning_rate: 'fast', trees: 20, objective: 'best' } });
    expect(state.kind).toBe('hyperparameters');
    expect(state.reason).toContain('num_leaves: expected a whole number from 2 to 131072, found "4.5"');
    expect(state.reason).toContain('learning_rate: expected a number from 1e-06 to 10, found "fast"');
    expect(state.reason).toContain('trees: not a hyperparameter of the LightGBM trainer');
    expect(state.reason).toContain('objective: expected one of poisson, regression');
    expect(state.lastLines.at(-1)).toContain('num_leaves');
  });

  it('absent columns', async () => {
    const state = await refused({ name: 'bad-columns', inputConfig: { features: ['x', 'humidity'], target: 'y', seed: 1 } });
    expect(state).toMatchObject({ kind: 'data', reason: expect.stringContaining('train channel: expected columns "humidity", found "event_time"') });
  });

  it('a target that is null', async () => {
    const train = await world.table('SELECT 1::FLOAT AS x, 2::FLOAT AS z, CASE WHEN i = 3 THEN NULL ELSE 5 END AS y FROM range(9) t(i)');
    const state = await refused({ name: 'bad-target', channels: { train } });
    expect(state).toMatchObject({ kind: 'data', reason: 'train channel: target y is null or not finite in 1 rows, first in row 3' });
  });

  it('counts below zero under a Poisson objective', async () => {
    const train = await world.table('SELECT i::FLOAT AS x, 2::FLOAT AS z, i - 4 AS y FROM range(90) t(i)');
    const state = await refused({ name: 'bad-poisson', channels: { train } });
    expect(state).toMatchObject({ kind: 'data', reason: expect.stringContaining('objective poisson cannot be fitted to y: its least value is -4') });
  });

  it('a table without rows, and one that is no Parquet', async () => {
    const empty = await world.table('SELECT 1::FLOAT AS x, 2::FLOAT AS z, 3 AS y WHERE false');
    expect(await refused({ name: 'no-rows', channels: { train: empty } })).toMatchObject({ kind: 'data', reason: 'train channel has no rows' });
    const text = await world.objects.put(Buffer.from('x,z,y\n1,2,3\n'), 'text/csv');
    expect(await refused({ name: 'no-parquet', channels: { train: text } })).toMatchObject({ kind: 'data' });
  });
});
