import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Kysely } from 'kysely';
import { afterAll, beforeAll } from 'vitest';
import type { ObjectStore } from '../../activities/ports.js';
import { createRegistryActivities } from '../../activities/registry.activities.js';
import type { CodeEnvironment } from '../../activities/registry-ports.js';
import { openFileObjectStore } from '../../adapters/objects/file-object-store.js';
import { openDatabase, type Database, type OpenDatabase } from '../../adapters/postgres/database.js';
import { publishDefinitions } from '../../adapters/postgres/definitions.js';
import { migrate } from '../../adapters/postgres/migrator.js';
import { createRegistryStore } from '../../adapters/postgres/registry-store.js';
import type { RegistryActivities } from '../../contracts/activities.js';
import type { ObjectRef } from '../../contracts/artifacts.js';
import { digestOf } from '../../contracts/digest.js';
import type { RetrainInput, RunResult } from '../../contracts/retrain.js';
import type { MetricValue } from '../../domain/metrics.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import demandForecast from '../../models/demand-forecast.js';
import { freshDatabase } from '../support/postgres.js';
import { freshWorkspace } from '../support/workspace.js';

type Registration = Parameters<RegistryActivities['registerVersion']>[0];

export const asOfMs = Date.UTC(2011, 9, 1);
export const environment: CodeEnvironment = {
  codeRevision: 'abc1234',
  recipeRevision: 'sha256:recipe-1',
  machine: { cores: 2 },
  packages: { node: process.version },
};
export const mape = (value: number | null): MetricValue => ({ name: 'mape', kind: 'mape', value, count: 612, excluded: 340, floor: 100 });

/** A migrated database, a folder of objects, and the registry's activities over both; of this test file's own. */
export function registryWorld() {
  let opened: OpenDatabase | undefined;
  let store: ObjectStore | undefined;
  let address = '';
  beforeAll(async () => {
    address = await freshDatabase();
    opened = await openDatabase({ url: address, applicationName: 'test', acceptForgetfulServer: true, poolSize: 20 });
    await migrate(opened.db);
    store = await openFileObjectStore(join(freshWorkspace().home, 'objects'));
  });
  afterAll(() => opened?.close());

  const db = (): Kysely<Database> => opened!.db;
  const objects = (): ObjectStore => store!;
  const activities = (code: CodeEnvironment = environment) =>
    createRegistryActivities({ registry: createRegistryStore(db()), objects: objects(), environment: code });
  const put = (text: string): Promise<ObjectRef> => objects().put(new TextEncoder().encode(text), 'text/plain');

  /** Publishes the demand model under a name of its own, changed as asked. */
  const publish = async (
    change: Partial<TrainedDefinition> = {},
  ): Promise<{ model: string; digest: string; definition: TrainedDefinition }> => {
    const definition = { ...demandForecast, name: `model-${randomBytes(4).toString('hex')}`, ...change };
    const [published] = await publishDefinitions(db(), { definitions: [definition], by: 'ann' });
    return { model: definition.name, digest: published!.digest, definition };
  };

  const begin = async (
    { model, digest }: { model: string; digest: string },
    run: string,
    over: Partial<RetrainInput> = {},
  ): Promise<RetrainInput> => {
    const input: RetrainInput = {
      model,
      run,
      definitionDigest: digest,
      clock: { kind: 'live' },
      asOfMs,
      trigger: 'manual',
      requestedBy: 'ann',
      reason: 'test',
      useCache: true,
      ...over,
    };
    await activities().beginRun(input);
    return input;
  };

  /** A candidate whose objects are all stored. */
  const candidate = async (run: RetrainInput, over: Partial<Registration> = {}): Promise<Registration> => {
    const bytes = {
      'card.md': `# Card of ${run.run}`,
      'manifest.json': '{"packages":{"lightgbm":"4.7.0"},"seed":7}',
      'model.onnx': `onnx of ${run.run}`,
    };
    const files = await Promise.all(Object.entries(bytes).map(async ([path, text]) => ({ path, ...(await put(text)) })));
    const packed = files.map(({ path, digest, bytes: size }) => ({ path, digest, bytes: size }));
    const table = await put(`rows of ${run.run}`);
    return {
      model: run.model,
      run: run.run,
      definitionDigest: run.definitionDigest,
      package: { digest: digestOf(packed), files: packed, signature: await put(`signature of ${run.run}`) },
      metrics: [mape(0.132)],
      championMetrics: [],
      gates: [],
      evaluation: await put(`evaluation of ${run.run}`),
      hyperparameters: { num_leaves: 63 },
      dataset: {
        digest: table.digest,
        object: table,
        rows: 4_800,
        columns: [{ name: 'hour', type: 'TIMESTAMP' }],
        fromMs: asOfMs - 200 * 86_400_000,
        toMs: asOfMs,
      },
      trainedFromMs: asOfMs - 200 * 86_400_000,
      trainedToMs: asOfMs,
      risk: 'limited',
      riskReason: 'declared by the definition',
      refused: null,
      ...over,
    };
  };

  /** Begins a run and registers its candidate. */
  const register = async (published: { model: string; digest: string }, run: string, over: Partial<Registration> = {}): Promise<string> => {
    const { version } = await activities().registerVersion(await candidate(await begin(published, run), over));
    return version;
  };

  return { db, objects, url: () => address, activities, publish, begin, candidate, register };
}

export const resultOf = (run: { model: string; run: string }, over: Partial<RunResult> = {}): RunResult => ({
  run: run.run,
  model: run.model,
  version: null,
  outcome: 'promoted',
  reason: 'every check passed',
  metrics: [],
  championMetrics: [],
  gates: [],
  package: null,
  rollout: null,
  steps: [],
  seconds: 12.5,
  ...over,
});
