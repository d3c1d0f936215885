import { join } from 'node:path';
import type { FeatureSet } from '../../contracts/activities.js';
import type { DatasetRef } from '../../contracts/artifacts.js';
import { featureMatrix, inputColumns } from '../../domain/feature-computation.js';
import type { FeatureDefinition } from '../../domain/features.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import { outcomeHistory } from '../../domain/outcome-history.js';
import type { WriteColumn } from '../ports.js';
import { type DataDeps, identifier, openTable, parquetType } from './data-deps.js';
import { readOutcomes, requireColumns, type Scratch } from './read-dataset.js';

/**
 * Features of every row of the dataset, as Parquet: event time, features in order (FP32), target (DOUBLE). A feature that is a
 * column as it is goes from file to file as FP32; every other one is computed by `domain/feature-computation.ts`, as serving does.
 */
export async function buildFeatures(
  deps: DataDeps,
  { definition, dataset }: { definition: TrainedDefinition; dataset: DatasetRef },
  scratch: Scratch,
): Promise<FeatureSet> {
  const { features, target } = definition;
  requireColumns(dataset, inputColumns(features));
  const { folder, session } = scratch;
  const table = await openTable(deps, folder, dataset.object);
  const time = `epoch_ms(given.${identifier(definition.eventTime)})`;
  const timesMs = (await session.numbers(`SELECT CAST(${time} AS DOUBLE) FROM ${table} AS given`)).columns[0]!.values as Float64Array;
  const computed = features.filter(({ kind }) => kind !== 'input');
  if (computed.length > 0) {
    const history = outcomeHistory(await readOutcomes(deps, { dataset }, scratch));
    await session.insert('computed', columnsOf(computed, featureMatrix(computed, { timesMs, columns: {} }, history)));
  }
  const columns = [
    `epoch_ms(${time}) AS ${identifier(definition.eventTime)}`,
    ...features.map((feature) =>
      feature.kind === 'input'
        ? `${orNaN(`CAST(CAST(given.${identifier(feature.column)} AS DOUBLE) AS FLOAT)`)} AS ${identifier(feature.name)}`
        : `computed.${identifier(feature.name)}`,
    ),
    `${orNaN(`CAST(given.${identifier(target.column)} AS DOUBLE)`)} AS ${identifier(target.column)}`,
  ];
  const path = join(folder, 'features.parquet');
  await session.copy(
    `SELECT ${columns.join(', ')} FROM ${table} AS given ${computed.length === 0 ? '' : 'POSITIONAL JOIN computed'}`,
    path,
  );
  return {
    object: await deps.objects.putFile(path, parquetType),
    rows: timesMs.length,
    features: features.map(({ name }) => name),
    target: target.column,
    fromMs: timesMs[0]!,
    toMs: timesMs.at(-1)! + 1,
    dataset,
  };
}

const orNaN = (value: string): string => `coalesce(${value}, 'nan')`;

function columnsOf(features: readonly FeatureDefinition[], matrix: Float32Array): WriteColumn[] {
  const width = features.length;
  const rows = matrix.length / width;
  return features.map(({ name }, i) => {
    const values = new Float32Array(rows);
    for (let row = 0; row < rows; row++) values[row] = matrix[row * width + i]!;
    return { kind: 'float', name, values };
  });
}
