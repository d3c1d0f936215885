import type { FeatureSet } from '../../contracts/activities.js';
import type { PackageRef, ServingSpec } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { type DataDeps, identifier, openTable } from '../data/data-deps.js';
import type { TableSession } from '../ports.js';
import type { ModelTrials } from '../trial-ports.js';

/** What evaluation and packaging need from outside. */
export type EvaluationDeps = Pick<DataDeps, 'objects' | 'cache' | 'tables' | 'scratchFolder'> & { readonly trials: ModelTrials };

/** Rows of a feature set: features row-major FP32, as the model takes them. */
export type FeatureRows = {
  readonly timesMs: Float64Array;
  readonly actual: Float64Array;
  readonly matrix: Float32Array;
  readonly width: number;
};

/** Reads a feature set in the order of event time; `limit` takes its first rows alone. */
export async function readFeatures(
  deps: Pick<DataDeps, 'objects'>,
  { features, eventTime, limit }: { features: FeatureSet; eventTime: string; limit?: number },
  { folder, session }: { folder: string; session: TableSession },
): Promise<FeatureRows> {
  const table = await openTable(deps, folder, features.object);
  const columns = features.features.map((name) => `CAST(${identifier(name)} AS FLOAT)`).join(', ');
  // In the order of the file, which is by time.
  const { rows, columns: numbers } = await session.numbers(
    `SELECT CAST(epoch_ms(${identifier(eventTime)}) AS DOUBLE), CAST(${identifier(features.target)} AS DOUBLE), ${columns}
     FROM ${table}${limit === undefined ? '' : ` LIMIT ${limit}`}`,
  );
  const width = features.features.length;
  const matrix = new Float32Array(rows * width);
  for (let i = 0; i < width; i++) {
    const { values } = numbers[i + 2]!;
    for (let row = 0; row < rows; row++) matrix[row * width + i] = values[row]!;
  }
  return { timesMs: numbers[0]!.values as Float64Array, actual: numbers[1]!.values as Float64Array, matrix, width };
}

/** One file of a package, read back against its digest. `ArtifactRejected` when the package has no such file. */
export async function packageFile(deps: Pick<DataDeps, 'objects'>, { files }: PackageRef, path: string): Promise<Uint8Array> {
  const file = files.find((entry) => entry.path === path);
  if (file === undefined)
    throw new PerennialError(
      'ArtifactRejected',
      `the package has no ${path}: its files are ${files.map((entry) => entry.path).join(', ')}`,
    );
  return deps.objects.get(file.digest);
}

/** A package's `serving.json`. */
export async function servingSpec(deps: Pick<DataDeps, 'objects'>, given: PackageRef): Promise<ServingSpec> {
  return JSON.parse(Buffer.from(await packageFile(deps, given, 'serving.json')).toString('utf8')) as ServingSpec;
}
