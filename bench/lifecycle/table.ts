import { DuckDBInstance } from '@duckdb/node-api';
import { defineModel } from '../../contracts/define-model.js';
import type { HyperparameterValue, TrainedDefinition } from '../../domain/model-definition.js';

/** A made table: a row a minute, features evenly from 0 to 1, a target around 200 that depends on five of them. */
export type TableShape = { readonly rows: number; readonly features: number };

const hourMs = 3_600_000;
export const firstMs = Date.UTC(2024, 0, 1);
/** As of this time the window holds every row. */
export const asOfMs = ({ rows }: TableShape): number => firstMs + rows * 60_000;
export const featureNames = ({ features }: TableShape): string[] =>
  Array.from({ length: features }, (_, i) => `f${String(i).padStart(2, '0')}`);

/** Writes the table as Parquet, sorted by time; the same values each time. */
export async function writeTable(shape: TableShape, path: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  try {
    const connection = await instance.connect();
    const columns = featureNames(shape).map((name, i) => `${uniform(i)} AS ${name}`);
    await connection.run(
      `COPY (SELECT time, ${featureNames(shape).join(', ')},
               200 + 40 * f00 + 30 * sin(6 * f01) + 25 * f02 * f00 - 20 * (f01 > 0.5)::INTEGER * f02 + 8 * (noise - 0.5) AS y
             FROM (SELECT make_timestamp((${firstMs} + i * 60000)::BIGINT * 1000) AS time, ${columns.join(', ')}, ${uniform(999)} AS noise
                   FROM range(${shape.rows}) AS numbers(i)) ORDER BY time)
       TO '${path.replaceAll("'", "''")}' (FORMAT parquet)`,
    );
    connection.closeSync();
  } finally {
    instance.closeSync();
  }
}

const uniform = (column: number): string => `(hash(i * 1000 + ${column}) % 1000003) / 1000003.0::DOUBLE`;

export type BenchModel = {
  readonly name: string;
  readonly shape: TableShape;
  /** Below the data folder. */
  readonly file: string;
  readonly hyperparameters: Readonly<Record<string, HyperparameterValue>>;
  /** Most WAPE that its gate lets through. */
  readonly maxWape: number;
};

/** A model on such a table: no tuning, no refit, low risk, so that policy approves its first version. */
export function benchModel({ name, shape, file, hyperparameters, maxWape }: BenchModel): TrainedDefinition {
  const features = featureNames(shape);
  return defineModel({
    name,
    description: 'A model of the benchmark on a made table.',
    task: 'regression',
    owner: 'benchmark',
    risk: 'low',
    source: { kind: 'sql', files: { made: file }, query: 'SELECT * FROM made' },
    window: { days: Math.ceil(shape.rows / 1_440) + 1 },
    eventTime: 'time',
    target: { column: 'y', unit: 'things' },
    checks: {
      columns: [
        { name: 'time', type: 'timestamp' },
        ...features.map((column) => ({ name: column, type: 'number' as const, min: 0, max: 1 })),
        { name: 'y', type: 'number' },
      ],
      uniqueBy: ['time'],
      minRows: shape.rows,
    },
    features: features.map((column) => ({ kind: 'input' as const, name: column, column })),
    split: { kind: 'time', trainShare: 0.8 },
    trainer: { name: 'lightgbm', hyperparameters, seed: 7, refit: false, silenceLimitMs: 120_000 },
    metrics: [
      { kind: 'wape', name: 'wape' },
      { kind: 'rmse', name: 'rmse' },
    ],
    gates: [
      { kind: 'maximum', metric: 'wape', limit: maxWape, minRows: 100 },
      { kind: 'latency', maxP95Ms: 100 },
    ],
    serving: {
      endpointKind: 'realtime',
      request: features.map((field) => ({ name: field, datatype: 'FP32' as const, min: 0, max: 1 })),
      output: { name: 'y' },
      subject: [features[0]!],
    },
    approval: { expiresAfterMs: hourMs },
    rollout: {
      limits: {
        maxP95Ms: 200,
        maxP95RatioToChampion: 1.5,
        maxErrorRate: 0.001,
        maxErrorRatioToChampion: 2,
        quality: { metric: 'ape', floor: 1 },
        minRequests: 100,
        minPairs: 12,
      },
    },
    retraining: { schedules: [], coolDownMs: hourMs },
    labels: { expectedDelayMs: hourMs },
    card: { intendedUse: 'Measuring the platform.', primaryUsers: 'Its developers.', limitations: ['The table is made.'] },
  });
}
