import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import type { EvaluationReport } from '../../contracts/activities.js';
import type { PackageRef, ServingSpec } from '../../contracts/artifacts.js';
import { judgeGates } from '../../domain/gate-judgement.js';
import type { InputFeature } from '../../domain/features.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import { type DataWorld, dataWorld, rentals, rentalsCsv, rentalsEnd } from '../data/world.js';
import { type Activities, activitiesOf, context, prepared } from './trained.js';

// A model that was imported and is now trained here: its champion is a file from elsewhere.

/** As many features as the fixtures take. */
const two: TrainedDefinition = { ...rentals, features: rentals.features.slice(0, 2) };
const step = { ...context, model: two.name, definition: two };
let world: DataWorld;
let activities: Activities;
let holdout: Awaited<ReturnType<typeof prepared>>['holdout'];

beforeAll(async () => {
  world = await dataWorld();
  world.source('rentals.csv', rentalsCsv());
  activities = await activitiesOf(world);
  ({ holdout } = await prepared(activities, two, rentalsEnd));
});

const put = (bytes: Uint8Array) => world.objects.put(bytes, 'application/octet-stream');
const fixture = async (name: string) => put(await readFile(new URL(`../gateway/fixtures/${name}.onnx`, import.meta.url)));

/** The package of an imported version, as far as an evaluation reads it. */
async function imported(name: string, features: readonly InputFeature[]): Promise<PackageRef> {
  const spec: ServingSpec = {
    model: two.name,
    request: [],
    features,
    eventTimeField: null,
    subject: [],
    onnx: { input: 'features', output: 'prediction' },
    output: { name: 'prediction' },
  };
  const files = { 'model.onnx': await fixture(name), 'serving.json': await put(Buffer.from(JSON.stringify(spec))) };
  return {
    digest: `sha256:${name}`,
    files: Object.entries(files).map(([path, { digest, bytes }]) => ({ path, digest, bytes })),
  };
}

async function against(pack: PackageRef, trainedToMs: number | null): Promise<NonNullable<EvaluationReport['champion']>> {
  const champion = { version: '1.0.0', package: pack, trainedToMs };
  const report = await activities.evaluateModel({ ...step, useCache: false, onnx: await fixture('linear'), holdout, champion });
  return report.champion!;
}

/** Two columns that the dataset has, under names of the file's own. */
const warmth: readonly InputFeature[] = [
  { kind: 'input', name: 'warm', column: 'temp' },
  { kind: 'input', name: 'again', column: 'temp' },
];
const gates = [{ kind: 'notWorseThanChampion', metric: 'rmse', maxRelativeIncrease: 0, minRows: 1 }] as const;
const refused = (champion: EvaluationReport['champion']) => judgeGates(gates, { candidate: [], champion, latencyP95Ms: 1 }).refused;

describe('a candidate that is trained here, beside an imported champion', () => {
  it('is compared where the file takes columns of the dataset, on rows after what it was told to have seen', async () => {
    const compared = await against(await imported('linear', warmth), holdout.fromMs);
    expect(compared).toMatchObject({ version: '1.0.0', rows: holdout.rows });
    expect(compared).not.toHaveProperty('note');
    expect(compared.metrics.find(({ name }) => name === 'rmse')?.value).toBeGreaterThan(0);
  });

  it('has nothing to be compared on when nobody said until when the file saw rows, and a gate that compares refuses', async () => {
    const champion = await against(await imported('linear', []), null);
    expect(champion).toMatchObject({ rows: 0, fromMs: holdout.toMs, toMs: holdout.toMs });
    expect(champion.note).toBe(
      'champion 1.0.0 was imported, and nobody said until when it saw rows: none of the held-out ones is surely new to it',
    );
    expect(refused(champion)).toMatch(/^rmse of the candidate has no figure/);
  });

  it('is measured alone beside a file that takes tensors of its own', async () => {
    const champion = await against(await imported('linear', []), holdout.fromMs);
    expect(champion.note).toBe('1.0.0 could not be run on these rows: it was imported and takes tensors of its own, no features');
    expect(champion.candidateMetrics.find(({ name }) => name === 'rmse')?.value).toBeGreaterThan(0);
    expect(refused(champion)).toMatch(/^rmse of champion 1\.0\.0 has no figure/);
  });

  it('is measured alone beside a file that cannot answer these rows, instead of failing for ever', async () => {
    for (const [name, reason] of [
      ['identity-float', /model\.onnx answers float32 \[\d+,2\] for \d+ rows: one float32 a row is expected/],
      ['three-inputs', /model\.onnx cannot be run in ONNX Runtime: /],
    ] as const) {
      const champion = await against(await imported(name, warmth), holdout.fromMs);
      expect(champion.note).toMatch(/^1\.0\.0 could not be run on these rows: /);
      expect(champion.note).toMatch(reason);
      expect(champion.candidateMetrics.find(({ name: metric }) => metric === 'rmse')?.value).toBeGreaterThan(0);
      expect(refused(champion)).toMatch(/^rmse of champion 1\.0\.0 has no figure/);
    }
  });
});
