import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inject } from 'vitest';
import type { DataDeps } from '../../activities/data/data-deps.js';
import type { ObjectStore, OutcomeStore, StepCache } from '../../activities/ports.js';
import { duckDbTables } from '../../adapters/duckdb/session.js';
import { openFileObjectStore } from '../../adapters/objects/file-object-store.js';
import { defineModel } from '../../contracts/define-model.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import { testPlaces } from '../support/servers.js';

export const hourMs = 3_600_000;
export const context = { model: 'rentals', run: 'run-1', useCache: true } as const;

/** Real files, objects and DuckDB; the two Postgres stores, tested by their own tests, as maps. */
export type DataWorld = DataDeps & {
  readonly objects: ObjectStore;
  readonly stored: Map<string, { output: unknown; run: string }>;
  readonly served: Map<string, Map<number, number>>;
  /** Writes a source file; answers its path. */
  source(path: string, text: string): string;
};

/** A world with an empty data folder, or with the Bikeshare data that set-up placed. */
export async function dataWorld(data: 'empty' | 'bikeshare' = 'empty'): Promise<DataWorld> {
  const folder = mkdtempSync(join(inject('testServers').folder, 'data-'));
  const dataFolder = data === 'bikeshare' ? dirname(dirname(testPlaces().bikeshare)) : join(folder, 'data');
  const scratchFolder = join(folder, 'scratch');
  mkdirSync(dataFolder, { recursive: true });
  mkdirSync(scratchFolder, { recursive: true });
  const stored = new Map<string, { output: unknown; run: string }>();
  const served = new Map<string, Map<number, number>>();
  return {
    objects: await openFileObjectStore(join(folder, 'objects')),
    outcomes: outcomeMap(served),
    cache: cacheMap(stored),
    tables: duckDbTables(),
    dataFolder,
    scratchFolder,
    nowMs: () => Date.UTC(2026, 0, 1),
    stored,
    served,
    source(path, text) {
      const full = join(dataFolder, path);
      mkdirSync(dirname(full), { recursive: true });
      writeFileSync(full, text);
      return full;
    },
  };
}

function cacheMap(stored: DataWorld['stored']): StepCache {
  return {
    find: async (key) => structuredClone(stored.get(key) ?? null),
    store: async ({ key, output, run }) => void stored.set(key, structuredClone({ output, run })),
  };
}

function outcomeMap(served: DataWorld['served']): OutcomeStore {
  const of = (model: string) => served.get(model) ?? served.set(model, new Map()).get(model)!;
  const range = (model: string, fromMs: number, toMs: number) =>
    [...of(model)]
      .filter(([timeMs]) => timeMs >= fromMs && timeMs < toMs)
      .sort(([a], [b]) => a - b)
      .map(([timeMs, value]) => ({ timeMs, value }));
  return {
    upsert: async (model, outcomes) => outcomes.forEach(({ timeMs, value }) => of(model).set(timeMs, value)),
    range: async (model, fromMs, toMs) => range(model, fromMs, toMs),
    since: async (model) => ({ outcomes: range(model, -Infinity, Infinity), change: of(model).size }),
  };
}

/** A second, small model: rentals by the hour from a CSV file `rentals.csv` of `time,temp,open,kind,rentals`. */
export const rentals: TrainedDefinition = defineModel({
  name: 'rentals',
  description: 'A small model of tests.',
  task: 'regression',
  owner: 'tests',
  risk: 'low',
  source: { kind: 'sql', files: { rentals: 'rentals.csv' }, query: 'SELECT time, temp, open, kind, rentals FROM rentals' },
  window: { days: 10 },
  eventTime: 'time',
  target: { column: 'rentals', unit: 'rentals' },
  checks: {
    columns: [
      { name: 'time', type: 'timestamp' },
      { name: 'temp', type: 'number', min: 0, max: 1 },
      { name: 'open', type: 'boolean' },
      { name: 'kind', type: 'text', allowed: ['a', 'b'], nullable: true },
      { name: 'rentals', type: 'integer', min: 0, max: 1_000 },
    ],
    uniqueBy: ['time'],
    minRows: 24,
  },
  features: [
    { kind: 'input', name: 'temp', column: 'temp' },
    { kind: 'input', name: 'open', column: 'open' },
    { kind: 'calendar', name: 'hourOfDay', part: 'hour' },
    { kind: 'lag', name: 'lag1h', agoMs: hourMs },
    { kind: 'lag', name: 'lag24h', agoMs: 24 * hourMs },
    { kind: 'rollingMean', name: 'mean24h', windowMs: 24 * hourMs },
  ],
  split: { kind: 'time', trainShare: 0.8 },
  trainer: {
    name: 'lightgbm',
    hyperparameters: { objective: 'poisson', num_leaves: 8, n_estimators: 20, learning_rate: 0.1 },
    seed: 1,
    refit: false,
    silenceLimitMs: 60_000,
  },
  metrics: [
    { kind: 'mape', name: 'mape', floor: 20 },
    { kind: 'rmse', name: 'rmse' },
  ],
  gates: [{ kind: 'maximum', metric: 'mape', limit: 0.5, minRows: 10 }],
  serving: {
    endpointKind: 'realtime',
    request: [
      { name: 'time', datatype: 'INT64' },
      { name: 'temp', datatype: 'FP32', min: 0, max: 1 },
      { name: 'open', datatype: 'BOOL' },
    ],
    output: { name: 'rentals', min: 0 },
    subject: ['time'],
  },
  approval: { expiresAfterMs: 86_400_000 },
  rollout: {
    limits: {
      maxP95Ms: 200,
      maxP95RatioToChampion: 1.5,
      maxErrorRate: 0.01,
      maxErrorRatioToChampion: 2,
      quality: { metric: 'absoluteError', floor: 0 },
      minRequests: 10,
      minPairs: 5,
    },
  },
  retraining: { schedules: [], coolDownMs: 0 },
  labels: { expectedDelayMs: 0 },
  card: { intendedUse: 'Tests.', primaryUsers: 'Tests.', limitations: ['It is a test.'] },
});

export const rentalsStart = Date.UTC(2024, 0, 1);
/** The end of the 20 days of `rentalsCsv`. */
export const rentalsEnd = rentalsStart + 20 * 24 * hourMs;

/** The line of one hour (counted from `rentalsStart`) of the rentals file. */
export const rentalsLine = (slot: number): string =>
  `${new Date(rentalsStart + slot * hourMs).toISOString().slice(0, 19).replace('T', ' ')},${((slot * 7) % 100) / 100},${slot % 24 >= 6},${slot % 2 === 0 ? 'a' : 'b'},${40 + ((slot * 13) % 37) + (slot % 24)}`;

/** Twenty days by the hour; `change` turns the list of lines into another. */
export function rentalsCsv(change: (lines: string[]) => string[] = (lines) => lines): string {
  return ['time,temp,open,kind,rentals', ...change(Array.from({ length: 480 }, (_, slot) => rentalsLine(slot))), ''].join('\n');
}
