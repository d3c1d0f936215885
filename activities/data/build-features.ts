import { join } from 'node:path';
import type { FeatureSet } from '../../contracts/activities.js';
import type { DatasetRef } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { featureMatrix, inputColumns } from '../../domain/feature-computation.js';
import type { FeatureDefinition } from '../../domain/features.js';
import type { ModelDefinition } from '../../domain/model-definition.js';
import { type GrowingOutcomeHistory, outcomeHistory } from '../../domain/outcome-history.js';
import type { TableSession, WriteColumn } from '../ports.js';
import { type DataDeps, identifier, openTable, parquetType, timestamp } from './data-deps.js';

/** Rows of a dataset with what features are computed from; sorted by event time. */
export type DatasetRows = {
  readonly timesMs: Float64Array;
  readonly target: Float64Array;
  readonly inputs: Readonly<Record<string, Float32Array | Float64Array>>;
  readonly history: GrowingOutcomeHistory;
};

type Scratch = { readonly folder: string; readonly session: TableSession };
type Columns = { readonly eventTime: string; readonly target: string; readonly inputs: readonly string[] };

/** Reads a dataset and its outcomes. `DataInvalid` names a column that it has not got. */
export async function readDataset(
  deps: Pick<DataDeps, 'objects'>,
  { dataset, columns }: { dataset: DatasetRef; columns: Columns },
  { folder, session }: Scratch,
): Promise<DatasetRows> {
  const absent = columns.inputs.filter((name) => !dataset.columns.some((column) => column.name === name));
  if (absent.length > 0)
    throw new PerennialError(
      'DataInvalid',
      `the dataset has no ${absent.join(', ')}: its columns are ${dataset.columns.map(({ name }) => name).join(', ')}`,
    );
  const table = await openTable(deps, folder, dataset.object);
  // In the order of the file, which `extractWindow` sorted: sorting again would cost more than reading.
  const { columns: numbers } = await session.numbers(
    `SELECT CAST(epoch_ms(${identifier(columns.eventTime)}) AS DOUBLE), CAST(${identifier(columns.target)} AS DOUBLE)
     ${columns.inputs.map((name) => `, CAST(${identifier(name)} AS DOUBLE)`).join('')} FROM ${table}`,
  );
  return {
    timesMs: numbers[0]!.values as Float64Array,
    target: numbers[1]!.values as Float64Array,
    inputs: Object.fromEntries(columns.inputs.map((name, i) => [name, numbers[i + 2]!.values])),
    history: outcomeHistory(await readOutcomes(deps, { dataset }, { folder, session })),
  };
}

type OutcomesWanted = { readonly dataset: DatasetRef; readonly fromMs?: number; readonly atLeast?: number };

/** The dataset's outcomes by event time: all, or those from `fromMs` on, yet `atLeast` so many of the newest. */
export async function readOutcomes(
  deps: Pick<DataDeps, 'objects'>,
  { dataset, fromMs, atLeast = 0 }: OutcomesWanted,
  { folder, session }: Scratch,
): Promise<{ timeMs: number; value: number }[]> {
  if (dataset.outcomes === undefined) return [];
  const table = await openTable(deps, folder, dataset.outcomes);
  const newest = fromMs === undefined ? '' : `QUALIFY time >= ${timestamp(fromMs)} OR row_number() OVER (ORDER BY time DESC) <= ${atLeast}`;
  const { columns } = await session.numbers(`SELECT CAST(epoch_ms(time) AS DOUBLE), value FROM ${table} ${newest} ORDER BY time`);
  return Array.from(columns[0]!.values, (timeMs, i) => ({ timeMs, value: columns[1]!.values[i]! }));
}

/** Features of every row of the dataset, as Parquet: event time, features in order (FP32), target (DOUBLE). */
export async function buildFeatures(
  deps: DataDeps,
  { definition, dataset }: { definition: ModelDefinition; dataset: DatasetRef },
  scratch: Scratch,
): Promise<FeatureSet> {
  const { features, eventTime, target } = definition;
  const rows = await readDataset(deps, { dataset, columns: { eventTime, target: target.column, inputs: inputColumns(features) } }, scratch);
  const matrix = featureMatrix(features, { timesMs: rows.timesMs, columns: rows.inputs }, rows.history);
  const path = join(scratch.folder, 'features.parquet');
  await scratch.session.write(
    [
      { kind: 'timestamp', name: eventTime, values: rows.timesMs },
      ...featureColumns(features, matrix),
      { kind: 'double', name: target.column, values: rows.target },
    ],
    path,
  );
  return {
    object: await deps.objects.putFile(path, parquetType),
    rows: rows.timesMs.length,
    features: features.map(({ name }) => name),
    target: target.column,
    fromMs: rows.timesMs[0]!,
    toMs: rows.timesMs.at(-1)! + 1,
    dataset,
  };
}

function featureColumns(features: readonly FeatureDefinition[], matrix: Float32Array): WriteColumn[] {
  const width = features.length;
  const rows = matrix.length / width;
  return features.map(({ name }, i) => {
    const values = new Float32Array(rows);
    for (let row = 0; row < rows; row++) values[row] = matrix[row * width + i]!;
    return { kind: 'float', name, values };
  });
}
