import type { FeatureSet } from '../../contracts/activities.js';
import type { ServingSpec } from '../../contracts/artifacts.js';
import { featureMatrix, inputColumns } from '../../domain/feature-computation.js';
import { canonicalJson } from '../../domain/json.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import { readDataset } from '../data/read-dataset.js';
import type { TableSession } from '../ports.js';
import type { EvaluationDeps, FeatureRows } from './evaluation-deps.js';

/** The champion's features for the held-out rows, or why they cannot be computed. */
export type ChampionRows = { readonly kind: 'rows'; readonly matrix: Float32Array } | { readonly kind: 'absent'; readonly reason: string };

type Input = {
  readonly spec: ServingSpec;
  readonly definition: TrainedDefinition;
  readonly holdout: FeatureSet;
  readonly rows: FeatureRows;
};

/**
 * The champion may have other features than the candidate. Where its features are all among the candidate's (same name, same
 * definition) their columns are taken; else they are computed for the same rows from the dataset, by the champion's own
 * definitions. A dataset that lacks a column of them leaves the champion without figures, and a gate that needs them refuses.
 */
export async function championRows(
  deps: EvaluationDeps,
  { spec, definition, holdout, rows }: Input,
  scratch: { folder: string; session: TableSession },
): Promise<ChampionRows> {
  if (spec.features.length === 0) return { kind: 'absent', reason: 'it was imported and takes tensors of its own, no features' };
  const known = definition.features.map((feature) => canonicalJson(feature));
  const places = spec.features.map((feature) => known.indexOf(canonicalJson(feature)));
  if (places.every((place) => place >= 0)) return { kind: 'rows', matrix: pick(rows, places) };
  const { dataset } = holdout;
  if (dataset === undefined)
    return {
      kind: 'absent',
      reason: 'it has features that the candidate has not, and the held-out rows name no dataset to compute them from',
    };
  const inputs = inputColumns(spec.features);
  const absent = inputs.filter((name) => !dataset.columns.some((column) => column.name === name));
  if (absent.length > 0) return { kind: 'absent', reason: `its features need ${absent.join(', ')}, which the dataset no longer has` };
  const all = await readDataset(
    deps,
    { dataset, columns: { eventTime: definition.eventTime, target: definition.target.column, inputs } },
    scratch,
  );
  const first = all.timesMs.findIndex((timeMs) => timeMs >= holdout.fromMs);
  const within = {
    timesMs: all.timesMs.subarray(first, first + holdout.rows),
    columns: Object.fromEntries(inputs.map((name) => [name, all.inputs[name]!.subarray(first, first + holdout.rows)])),
  };
  return { kind: 'rows', matrix: featureMatrix(spec.features, within, all.history) };
}

function pick({ matrix, width }: FeatureRows, places: readonly number[]): Float32Array {
  const rows = matrix.length / width;
  const out = new Float32Array(rows * places.length);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < places.length; i++) out[row * places.length + i] = matrix[row * width + places[i]!]!;
  }
  return out;
}
