import type { DatasetRef } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { type GrowingOutcomeHistory, outcomeHistory } from '../../domain/outcome-history.js';
import type { TableSession } from '../ports.js';
import { type DataDeps, identifier, openTable, timestamp } from './data-deps.js';

/** Rows of a dataset with what features are computed from; sorted by event time. */
export type DatasetRows = {
  readonly timesMs: Float64Array;
  readonly target: Float64Array;
  readonly inputs: Readonly<Record<string, Float32Array | Float64Array>>;
  readonly history: GrowingOutcomeHistory;
};

export type Scratch = { readonly folder: string; readonly session: TableSession };
type Columns = { readonly eventTime: string; readonly target: string; readonly inputs: readonly string[] };

/** Reads a dataset and its outcomes. `DataInvalid` names a column that it has not got. */
export async function readDataset(
  deps: Pick<DataDeps, 'objects'>,
  { dataset, columns }: { dataset: DatasetRef; columns: Columns },
  { folder, session }: Scratch,
): Promise<DatasetRows> {
  requireColumns(dataset, columns.inputs);
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

/** `DataInvalid` names the columns that the dataset has not got. */
export function requireColumns(dataset: DatasetRef, names: readonly string[]): void {
  const absent = names.filter((name) => !dataset.columns.some((column) => column.name === name));
  if (absent.length === 0) return;
  throw new PerennialError(
    'DataInvalid',
    `the dataset has no ${absent.join(', ')}: its columns are ${dataset.columns.map(({ name }) => name).join(', ')}`,
  );
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
