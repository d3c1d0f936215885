import type { EvaluationReport, FeatureSet } from '../../contracts/activities.js';
import type { ObjectRef, PackageRef } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { canonicalJson } from '../../domain/json.js';
import { computeMetrics, residualsByHour } from '../../domain/metric-computation.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import { withScratch } from '../data/data-deps.js';
import type { TableSession } from '../ports.js';
import { championRows } from './champion-rows.js';
import { type EvaluationDeps, type FeatureRows, packageFile, readFeatures, servingSpec } from './evaluation-deps.js';
import { proveFirstRun } from './first-run.js';
import { loadOnnx, singleRowP95Ms } from './onnx-model.js';
import { readOnnxStructure } from './onnx-structure.js';

export type EvaluateInput = {
  readonly definition: TrainedDefinition;
  readonly onnx: ObjectRef;
  readonly holdout: FeatureSet;
  readonly champion: { readonly version: string; readonly package: PackageRef; readonly trainedToMs: number | null } | null;
};

const latencyRuns = 500;

/** Runs the candidate's ONNX file (and the champion's) over the held-out rows, and stores `evaluation.json`. */
export async function evaluateModel(deps: EvaluationDeps, input: EvaluateInput): Promise<EvaluationReport> {
  const { definition, onnx, holdout } = input;
  const bytes = await deps.objects.get(onnx.digest);
  readOnnxStructure(bytes);
  return withScratch(deps, [], async (scratch) => {
    const [rows] = await Promise.all([
      readFeatures(deps, { features: holdout, eventTime: definition.eventTime }, scratch),
      proveFirstRun(deps.trials, bytes, definition.features.length),
    ]);
    const model = await loadOnnx(bytes, definition.serving.output);
    try {
      const predicted = await model.predict(rows.matrix, rows.width);
      const figures = {
        metrics: computeMetrics(definition.metrics, { actual: rows.actual, predicted }),
        champion: await compareWithChampion(deps, input, { scratch, rows, predicted }),
        residualsByHour: residualsByHour(rows.timesMs, rows.actual, predicted),
        latencyP95Ms: await singleRowP95Ms(model, rows.matrix, { width: rows.width, runs: latencyRuns }),
        rows: holdout.rows,
        fromMs: holdout.fromMs,
        toMs: holdout.toMs,
      };
      const report = { model: definition.name, target: definition.target, onnx: onnx.digest, holdout: holdout.object.digest, ...figures };
      return { ...figures, object: await deps.objects.put(Buffer.from(canonicalJson(report)), 'application/json') };
    } finally {
      await model.close();
    }
  });
}

type Measured = {
  readonly scratch: { folder: string; session: TableSession };
  readonly rows: FeatureRows;
  readonly predicted: Float64Array;
};

/**
 * Both on the held-out rows at or after the end of the champion's training; null without a champion. Without such rows, or with
 * a champion that cannot be run on them, there are no figures and a note says why: a gate that compares then refuses.
 */
async function compareWithChampion(
  deps: EvaluationDeps,
  { definition, holdout, champion }: EvaluateInput,
  { scratch, rows, predicted }: Measured,
): Promise<EvaluationReport['champion']> {
  if (champion === null) return null;
  const { trainedToMs } = champion;
  const newer = trainedToMs === null ? -1 : rows.timesMs.findIndex((timeMs) => timeMs >= trainedToMs);
  if (newer < 0) return nothingNewer(definition, champion, holdout.toMs);
  const spec = await servingSpec(deps, champion.package);
  const features = await championRows(deps, { spec, definition, holdout, rows }, scratch);
  const actual = rows.actual.subarray(newer);
  const theirs = features.kind === 'rows' ? await predictAs(deps, { champion, spec, matrix: features.matrix }) : features;
  return {
    version: champion.version,
    metrics: computeMetrics(definition.metrics, {
      actual,
      predicted: theirs.kind === 'answers' ? theirs.predicted.subarray(newer) : new Float64Array(actual.length).fill(NaN),
    }),
    candidateMetrics: computeMetrics(definition.metrics, { actual, predicted: predicted.subarray(newer) }),
    rows: actual.length,
    fromMs: rows.timesMs[newer]!,
    toMs: holdout.toMs,
    ...(theirs.kind === 'absent' ? { note: `${champion.version} could not be run on these rows: ${theirs.reason}` } : {}),
  };
}

function nothingNewer(
  definition: TrainedDefinition,
  { version, trainedToMs }: { version: string; trainedToMs: number | null },
  toMs: number,
): EvaluationReport['champion'] {
  const metrics = computeMetrics(definition.metrics, { actual: [], predicted: [] });
  const note =
    trainedToMs === null
      ? `champion ${version} was imported, and nobody said until when it saw rows: none of the held-out ones is surely new to it`
      : `no held-out row is newer than the training of champion ${version}, which saw all rows before ${new Date(trainedToMs).toISOString()}; retrain as of a later time`;
  return { version, metrics, candidateMetrics: metrics, rows: 0, fromMs: trainedToMs ?? toMs, toMs, note };
}

type ChampionAnswers =
  { readonly kind: 'answers'; readonly predicted: Float64Array } | { readonly kind: 'absent'; readonly reason: string };

/** The champion's answers to all rows. A file that was imported may answer classes, or need an opset that is not known here. */
async function predictAs(
  deps: EvaluationDeps,
  {
    champion,
    spec,
    matrix,
  }: {
    champion: { package: PackageRef };
    spec: { features: readonly unknown[]; output: { min?: number; max?: number } };
    matrix: Float32Array;
  },
): Promise<ChampionAnswers> {
  const file = await packageFile(deps, champion.package, 'model.onnx');
  try {
    const model = await loadOnnx(file, spec.output);
    try {
      return { kind: 'answers', predicted: await model.predict(matrix, spec.features.length) };
    } finally {
      await model.close();
    }
  } catch (error) {
    if (error instanceof PerennialError && error.type === 'ArtifactRejected') return { kind: 'absent', reason: error.message };
    throw error;
  }
}
