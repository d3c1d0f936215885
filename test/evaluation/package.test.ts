import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, inject } from 'vitest';
import type { EvaluationReport, FeatureSet, TrainedModel } from '../../contracts/activities.js';
import type { ObjectRef, PackageRef, ServingSpec } from '../../contracts/artifacts.js';
import { packageDigest } from '../../activities/artifact.activities.js';
import { cardOfVersion } from '../../domain/card.js';
import { computeFeatures } from '../../domain/feature-computation.js';
import { judgeGates } from '../../domain/gate-judgement.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import { outcomeHistory } from '../../domain/outcome-history.js';
import { type DataWorld, dataWorld, hourMs, rentals, rentalsCsv, rentalsEnd } from '../data/world.js';
import { testPlaces } from '../support/servers.js';
import { type Activities, activitiesOf, context, prepared, trained } from './trained.js';

const step = { ...context, model: 'rentals', definition: rentals };
let world: DataWorld;
let activities: Activities;
let parts: Awaited<ReturnType<typeof prepared>>;
let model: TrainedModel;
let report: EvaluationReport;
let good: PackageRef;
let onnxFolder: string;

beforeAll(async () => {
  world = await dataWorld();
  // Some hours are absent: their lags are NaN, in training as in serving.
  world.source(
    'rentals.csv',
    rentalsCsv((lines) => lines.filter((_, i) => i % 17 !== 3)),
  );
  activities = await activitiesOf(world);
  parts = await prepared(activities, rentals, rentalsEnd);
  model = await trained(activities, rentals, { on: parts.train, purpose: 'train' });
  report = await activities.evaluateModel({ ...step, onnx: model.onnx, holdout: parts.holdout, champion: null });
  good = await activities.packageModel({ ...step, trained: model, sample: parts.holdout, evaluation: report.object });
  onnxFolder = mkdtempSync(join(inject('testServers').folder, 'onnx-'));
  execFileSync(testPlaces().python, [join(import.meta.dirname, 'fixtures', 'make-onnx.py'), onnxFolder, String(rentals.features.length)]);
});

const onnxFile = (name: string): Promise<ObjectRef> =>
  world.objects.put(readFileSync(join(onnxFolder, `${name}.onnx`)), 'application/octet-stream');
const fileText = async (given: PackageRef, path: string) =>
  Buffer.from(await world.objects.get(given.files.find((file) => file.path === path)!.digest)).toString('utf8');
const repackaged = (onnx: ObjectRef) =>
  activities.packageModel({ ...step, trained: { ...model, onnx }, sample: parts.holdout, evaluation: report.object });
const metric = (metrics: EvaluationReport['metrics'], name: string) => metrics.find((value) => value.name === name)!;

describe('evaluateModel', () => {
  it('measures the ONNX file over every held-out row, absent lags included', async () => {
    const absent = await nanRows(parts.holdout);
    expect(absent).toBeGreaterThan(0);
    expect(metric(report.metrics, 'rmse')).toMatchObject({ count: parts.holdout.rows, excluded: 0 });
    expect(Number.isFinite(metric(report.metrics, 'rmse').value)).toBe(true);
    expect(report).toMatchObject({ champion: null, rows: parts.holdout.rows, fromMs: parts.holdout.fromMs, toMs: parts.holdout.toMs });
    expect(report.latencyP95Ms).toBeGreaterThan(0);
    const stored = JSON.parse(Buffer.from(await world.objects.get(report.object.digest)).toString('utf8')) as EvaluationReport;
    expect(stored.metrics).toEqual(report.metrics);
  });

  it('keeps predictions inside the bounds of the output, as serving does', async () => {
    const { metrics } = await activities.evaluateModel({
      ...step,
      onnx: await onnxFile('negative'),
      holdout: parts.holdout,
      champion: null,
    });
    expect(metric(metrics, 'mape').value).toBe(1);
  });

  it('gives no figure to a model that answers NaN', async () => {
    const { metrics } = await activities.evaluateModel({
      ...step,
      onnx: await onnxFile('not-a-number'),
      holdout: parts.holdout,
      champion: null,
    });
    expect(metrics.map(({ value }) => value)).toEqual([null, null]);
  });

  it('runs the champion on the rows newer than its training, and the candidate beside it', async () => {
    const trainedToMs = parts.holdout.fromMs + 12 * hourMs;
    const same = await activities.evaluateModel({
      ...step,
      onnx: model.onnx,
      holdout: parts.holdout,
      champion: { version: '1.0.0', package: good, trainedToMs },
    });
    expect(same.champion!.metrics).toEqual(same.champion!.candidateMetrics);
    expect(same.champion).toMatchObject({ version: '1.0.0', toMs: parts.holdout.toMs });
    expect(same.champion!.fromMs).toBeGreaterThanOrEqual(trainedToMs);
    expect(same.champion!.rows).toBeLessThan(parts.holdout.rows);
    const none = await activities.evaluateModel({
      ...step,
      onnx: model.onnx,
      holdout: parts.holdout,
      champion: { version: '1.0.0', package: good, trainedToMs: rentalsEnd },
    });
    expect(none.champion).toMatchObject({
      version: '1.0.0',
      rows: 0,
      metrics: [
        { value: null, count: 0 },
        { value: null, count: 0 },
      ],
    });
    expect(none.champion!.note).toMatch(/no held-out row is newer than the training of champion 1\.0\.0/);
    const gates = [{ kind: 'notWorseThanChampion', metric: 'mape', maxRelativeIncrease: 1, minRows: 1 }] as const;
    expect(judgeGates(gates, { candidate: none.metrics, champion: none.champion, latencyP95Ms: 1 }).refused).not.toBeNull();
  });

  it('computes the features of a champion that has others, from the same rows', async () => {
    const old: TrainedDefinition = {
      ...rentals,
      features: [{ kind: 'lag', name: 'lag1h', agoMs: 24 * hourMs }, ...rentals.features.slice(0, 3)],
    };
    const oldParts = await prepared(activities, old, rentalsEnd);
    const oldModel = await trained(activities, old, { on: oldParts.train, purpose: 'train-old' });
    const own = await activities.evaluateModel({
      ...step,
      definition: old,
      onnx: oldModel.onnx,
      holdout: oldParts.holdout,
      champion: null,
    });
    const champion = {
      version: '0.9.0',
      package: await activities.packageModel({
        ...step,
        definition: old,
        trained: oldModel,
        sample: oldParts.holdout,
        evaluation: own.object,
      }),
      trainedToMs: parts.train.toMs,
    };
    const compared = await activities.evaluateModel({ ...step, onnx: model.onnx, holdout: parts.holdout, champion });
    expect(compared.champion!.metrics).toEqual(own.metrics);

    const gone = parts.holdout.dataset!;
    const dataset = { ...gone, digest: `${gone.digest}-without-open`, columns: gone.columns.filter(({ name }) => name !== 'open') };
    const blind = await activities.evaluateModel({ ...step, onnx: model.onnx, holdout: { ...parts.holdout, dataset }, champion });
    expect(blind.champion!.metrics.map(({ value }) => value)).toEqual([null, null]);
    expect(blind.champion!.note).toMatch(/0\.9\.0 could not be run on these rows: its features need open/);
  });

  it('is reused for the same files, and measured again on demand', async () => {
    const input = { ...step, run: 'run-2', onnx: model.onnx, holdout: parts.holdout, champion: null };
    expect(await activities.evaluateModel(input)).toEqual({ ...report, reusedFrom: 'run-1' });
    expect((await activities.evaluateModel({ ...input, useCache: false })).reusedFrom).toBeUndefined();
  });
});

describe('packageModel', () => {
  it('stores the files of a package, sorted, with the digest over them', () => {
    expect(good.files.map(({ path }) => path)).toEqual([
      'card.md',
      'evaluation.json',
      'input-example.json',
      'manifest.json',
      'model.onnx',
      'model.txt',
      'serving.json',
    ]);
    expect(good.digest).toBe(packageDigest(good.files));
    expect(good.files.find(({ path }) => path === 'model.onnx')?.digest).toBe(model.onnx.digest);
  });

  it('says in serving.json all that serving needs', async () => {
    const spec = JSON.parse(await fileText(good, 'serving.json')) as ServingSpec;
    expect(spec).toMatchObject({
      model: 'rentals',
      eventTimeField: 'time',
      subject: ['time'],
      onnx: { input: 'features' },
      output: { name: 'rentals', min: 0 },
    });
    expect(spec.features).toEqual(rentals.features);
  });

  it('holds a request that serving turns into the very features of the sample', async () => {
    const { inputs } = JSON.parse(await fileText(good, 'input-example.json')) as {
      inputs: { name: string; datatype: string; shape: number[]; data: (number | boolean)[] }[];
    };
    expect(inputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
      ['time', 'INT64', [5]],
      ['temp', 'FP32', [5]],
      ['open', 'BOOL', [5]],
    ]);
    const history = outcomeHistory(await world.outcomes.range('rentals', 0, rentalsEnd));
    const sample = await firstRows(parts.holdout, 5);
    for (let row = 0; row < 5; row++) {
      const request = Object.fromEntries(inputs.map(({ name, data }) => [name, data[row]]));
      expect([...computeFeatures(rentals.features, { timeMs: request['time'] as number, inputs: request }, history)]).toEqual(sample[row]);
    }
  });

  it('writes the card, whose version the registry fills in', async () => {
    const card = await fileText(good, 'card.md');
    expect(card).toMatch(/^# Model card: rentals/);
    expect(card).toMatch(/\| Framework \| lightgbm \d/);
    expect(card).toMatch(/\| mape, actual at least 20 \| \d+\.\d% \|/);
    expect(cardOfVersion(card, '1.2.3')).toMatch(/\| Version \| 1\.2\.3 \|/);
    expect(() => cardOfVersion(cardOfVersion(card, '1.2.3'), '1.2.4')).toThrow(/numbered already/);
  });

  it.each([
    ['other-width', /takes features: float32 \[-1,7\]: expected float32 \[-1,6\], the 6 features of rentals \(temp, open,/],
    ['two-inputs', /has inputs features: float32 \[-1,6\], more: float32 \[-1,6\]: expected one/],
    ['double', /takes features: float64/],
    ['custom-operator', /uses the operator com\.example:Mul/],
    ['outside-all', /keeps tensor first outside, in weights\.bin/],
    ['outside-in-a-branch', /keeps tensor hidden outside, in \.\.\/\.\.\/etc\/passwd/],
    ['not-a-number', /answers NaN for sample row 0 \(event time 2024-/],
    ['negative', /the file is not the one that was trained/],
  ])('rejects an ONNX file: %s', async (name, reason) => {
    const failed = repackaged(await onnxFile(name));
    await expect(failed).rejects.toMatchObject({ type: 'ArtifactRejected', retryable: false });
    await expect(failed).rejects.toThrow(reason);
  });

  it.each([
    ['text', Buffer.from('this is no model')],
    ['a pickle', Buffer.from('80049514000000000000008c026f738c0673797374656d93948c026c739485945294', 'hex')],
    ['nothing', Buffer.alloc(0)],
    ['half of a model', null],
  ])('rejects what is no ONNX file: %s', async (_, bytes) => {
    const whole = await world.objects.get(model.onnx.digest);
    const onnx = await world.objects.put(bytes ?? whole.subarray(0, whole.length / 2), 'application/octet-stream');
    await expect(repackaged(onnx)).rejects.toMatchObject({ type: 'ArtifactRejected' });
    await expect(activities.evaluateModel({ ...step, onnx, holdout: parts.holdout, champion: null })).rejects.toMatchObject({
      type: 'ArtifactRejected',
    });
  });

  it('rejects the file of another training than the manifest tells of', async () => {
    const other = await trained(activities, rentals, { on: parts.train, purpose: 'train-other', hyperparameters: { n_estimators: 5 } });
    await expect(repackaged(other.onnx)).rejects.toThrow(/row 0 of the trainer's parity sample, where the trainer saw/);
  });
});

async function firstRows(features: FeatureSet, limit: number): Promise<number[][]> {
  const path = join(onnxFolder, `${features.object.digest.slice(7, 20)}.parquet`);
  await world.objects.getFile(features.object.digest, path);
  return world.tables.session([onnxFolder], async (session) => {
    const { columns } = await session.numbers(
      `SELECT ${features.features.join(', ')} FROM read_parquet('${path}') ORDER BY time LIMIT ${limit}`,
    );
    return Array.from({ length: columns[0]!.values.length }, (_, row) => columns.map(({ values }) => values[row]!));
  });
}

const nanRows = async (features: FeatureSet): Promise<number> =>
  (await firstRows(features, 10_000)).filter((row) => row.some(Number.isNaN)).length;
