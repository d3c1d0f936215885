import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { inject } from 'vitest';
import type { JobSpec, JobState, ObjectStore, StepCache } from '../../activities/ports.js';
import type { ActivityContext, TrackedMetric } from '../../activities/training-ports.js';
import { createTrainingActivities, type TrainingDeps } from '../../activities/training.activities.js';
import { localCompute, type LocalCompute } from '../../adapters/compute/local.js';
import { createSuggester } from '../../adapters/compute/suggester.js';
import { openFileObjectStore } from '../../adapters/objects/file-object-store.js';
import type { TrainInput } from '../../contracts/activities.js';
import type { ObjectRef } from '../../contracts/artifacts.js';
import { testPlaces } from '../support/servers.js';

const here = fileURLToPath(new URL('.', import.meta.url));
export const trainersFolder = join(here, '..', '..', 'trainers');

export const metrics = [
  { kind: 'mape', name: 'mape', floor: 100 },
  { kind: 'wape', name: 'wape' },
] as const;

export const bikeFeatures = [
  'hour',
  'dow',
  'mon',
  'holiday',
  'workingday',
  'temp',
  'atemp',
  'hum',
  'windspeed',
  'weather',
  'lag1',
  'lag2',
  'lag3',
  'lag24',
  'lag168',
  'mean24',
  'mean168',
];

/** Real jobs, files and Python; trainers that misbehave beside the real one. */
export type TrainingWorld = {
  readonly home: string;
  readonly trainers: string;
  readonly objects: ObjectStore;
  readonly compute: LocalCompute;
  readonly logged: TrackedMetric[];
  readonly deps: TrainingDeps;
  /** A table made by one SELECT of DuckDB. */
  table(select: string): Promise<ObjectRef>;
  jobNames(): string[];
  /** The job's record of its process. */
  pid(job: string): number;
};

export async function trainingWorld(): Promise<TrainingWorld> {
  const home = mkdtempSync(join(inject('testServers').folder, 'training-'));
  const trainers = join(home, 'trainers');
  mkdirSync(trainers);
  for (const name of ['common', 'lightgbm']) symlinkSync(join(trainersFolder, name), join(trainers, name));
  cpSync(join(here, 'fixtures'), trainers, { recursive: true });
  const objects = await openFileObjectStore(join(home, 'objects'));
  const compute = localCompute({ home, python: testPlaces().python, trainersFolder: trainers, objects, threads: 1, stopGraceMs: 2_000 });
  const logged: TrackedMetric[] = [];
  const deps: TrainingDeps = {
    compute,
    objects,
    cache: cacheMap(),
    metrics: { log: async (entry) => void logged.push(...entry.metrics) },
    suggester: createSuggester({ python: testPlaces().python, trainersFolder: trainers }),
    trainersDigest: 'sha256:test',
  };
  return {
    home,
    trainers,
    objects,
    compute,
    logged,
    deps,
    table: (select) =>
      writeTable({
        select,
        path: join(home, 'table.parquet'),
        objects,
      }),
    jobNames: () => readdirSync(join(home, 'jobs')).filter((name) => !name.startsWith('.')),
    pid: (job) =>
      (
        JSON.parse(readFileSync(join(home, 'jobs', job, 'process.json'), 'utf8')) as {
          pid: number;
        }
      ).pid,
  };
}

async function writeTable({ select, path, objects }: { select: string; path: string; objects: ObjectStore }): Promise<ObjectRef> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
  return objects.putFile(path, 'application/vnd.apache.parquet');
}

function cacheMap(): StepCache {
  const stored = new Map<string, { output: unknown; run: string }>();
  return {
    find: async (key) => structuredClone(stored.get(key) ?? null),
    store: async ({ key, output, run }) => void stored.set(key, structuredClone({ output, run })),
  };
}

/** An activity context that a test cancels, and whose heartbeats it reads. */
export function testContext(heartbeatDetails?: unknown): ActivityContext & { cancel(why: string): void; readonly beats: unknown[] } {
  const controller = new AbortController();
  const beats: unknown[] = [];
  let reject: (reason: Error) => void = () => {};
  const cancelled = new Promise<never>((_, no) => (reject = no));
  cancelled.catch(() => {});
  return {
    heartbeat: (details) => void beats.push(details),
    heartbeatDetails,
    cancellationSignal: controller.signal,
    cancelled,
    beats,
    cancel(why) {
      controller.abort();
      reject(new Error(why));
    },
  };
}

export const activitiesOf = (world: TrainingWorld, context: ActivityContext = testContext()) =>
  createTrainingActivities({ ...world.deps, context: () => context });

/** Rows of one input and a target with noise, sorted: small, quick to train. */
export const smallTable = (rows: number, seed = 0.5) =>
  `SELECT i AS event_time, (i % 24)::FLOAT AS x, CASE WHEN i % 7 = 0 THEN NULL ELSE sin(i / 3.0)::FLOAT END AS z,
   100 + 50 * sin(i % 24 / 4.0) + 20 * coalesce(sin(i / 3.0), 0) + (hash(i) % 100) / 10.0 + ${seed} AS y FROM range(${rows}) t(i)`;

export async function trainInput(world: TrainingWorld, change: Partial<TrainInput> = {}): Promise<TrainInput> {
  return {
    model: 'rentals',
    run: '20111001t000000-1',
    useCache: true,
    purpose: 'train',
    trainer: {
      name: 'lightgbm',
      hyperparameters: {},
      seed: 7,
      refit: false,
      silenceLimitMs: 6e4,
    },
    hyperparameters: {
      objective: 'poisson',
      n_estimators: 60,
      num_leaves: 15,
      learning_rate: 0.1,
    },
    train: await world.table(smallTable(600)),
    validation: await world.table(smallTable(150, 3)),
    features: ['x', 'z'],
    target: 'y',
    metrics,
    ...change,
  };
}

/** The real data: 200 days before 2011-10-01, features of one step ahead, by DuckDB; the last fifth held out. */
export function bikeTable(part: 'train' | 'holdout'): string {
  const file = testPlaces().bikeshare;
  const lag = (hours: number) => `(SELECT b.y FROM h b WHERE b.t = a.t - INTERVAL ${hours} HOUR)::FLOAT AS lag${hours}`;
  const mean = (hours: number) =>
    `(SELECT avg(b.y) FROM h b WHERE b.t >= a.t - INTERVAL ${hours} HOUR AND b.t < a.t)::FLOAT AS mean${hours}`;
  return `WITH h AS (SELECT TIMESTAMP '2011-01-01' + to_days(day::INT - 1) + to_hours(hr::INT) AS t, *, bikers::DOUBLE AS y
      FROM read_csv('${file}', types = {'hr': 'INTEGER'})),
    f AS (SELECT epoch_ms(t) AS event_time, hr::FLOAT AS hour, weekday::FLOAT AS dow, month(t)::FLOAT AS mon,
      holiday::FLOAT AS holiday, workingday::FLOAT AS workingday, temp::FLOAT AS temp, atemp::FLOAT AS atemp, hum::FLOAT AS hum,
      windspeed::FLOAT AS windspeed,
      (CASE weathersit WHEN 'clear' THEN 1 WHEN 'cloudy/misty' THEN 2 WHEN 'light rain/snow' THEN 3 ELSE 4 END)::FLOAT AS weather,
      ${[1, 2, 3, 24, 168].map(lag).join(', ')}, ${[24, 168].map(mean).join(', ')}, y,
      ntile(5) OVER (ORDER BY t) AS fifth
      FROM h a WHERE t < TIMESTAMP '2011-10-01' AND t >= TIMESTAMP '2011-10-01' - INTERVAL 200 DAY)
    SELECT * EXCLUDE (fifth) FROM f WHERE fifth ${part === 'train' ? '<' : '='} 5 ORDER BY event_time`;
}

export async function jobSpec(world: TrainingWorld, change: Partial<JobSpec> = {}): Promise<JobSpec> {
  return {
    name: 'job-a1',
    checkpoint: 'job',
    trainer: 'lightgbm',
    hyperparameters: {
      objective: 'poisson',
      n_estimators: 60,
    },
    channels: { train: await world.table(smallTable(600)) },
    inputConfig: {
      features: ['x', 'z'],
      target: 'y',
      metrics,
      seed: 7,
    },
    ...change,
  };
}

/** Waits for a state of the job; the test's own limit ends a wait for ever. */
export async function untilJob<S extends JobState['status']>(
  world: TrainingWorld,
  name: string,
  status: S,
): Promise<JobState & { status: S }> {
  for (;;) {
    const state = await world.compute.describe(name);
    if (state.status === status) return state as JobState & { status: S };
    if (state.status !== 'running' && state.status !== 'absent') throw new Error(`${name} is ${JSON.stringify(state)}, wanted ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 25));
}
