import { ApplicationFailure } from '@temporalio/workflow';
import type { ImportReport, RunPlan } from '../contracts/activities.js';
import type { RetrainInput } from '../contracts/retrain.js';
import { formatLatency } from '../domain/format.js';
import type { GateEvidence } from '../domain/gates.js';
import type { ImportedDefinition } from '../domain/model-definition.js';
import { shapeChanged } from '../domain/versioning.js';
import { imports } from './activity-proxies.js';
import { type Candidate, contextOf, judge, register, riskOf, signUnlessRefused } from './candidate.js';
import type { StepLog } from './step-log.js';

/**
 * Steps `evaluate` to `register` of a run whose model is a file from elsewhere. There are no rows here to measure it on: it is
 * judged by its first runs, by what its native model answered where that was told, and later by live traffic.
 */
export async function importCandidate(
  input: RetrainInput,
  { plan, definition }: { plan: RunPlan; definition: ImportedDefinition },
  log: StepLog,
): Promise<Candidate> {
  const { imported } = input;
  if (imported === undefined)
    throw ApplicationFailure.nonRetryable(
      `the versions of ${input.model} are imported, and this run brought no file: ./perennial import ${input.model} model.onnx`,
      'Conflict',
    );
  const context = { ...contextOf(input), definition, imported };
  const report = await log.step('evaluate', async () => {
    const value = await imports.evaluateImport(context);
    return { value, detail: told(value), reusedFrom: value.reusedFrom };
  });
  const { champion } = plan;
  const evidence: GateEvidence = {
    candidate: [],
    // A policy that asks for a measured improvement finds none.
    champion: champion === null ? null : { version: champion.version, metrics: [], candidateMetrics: [] },
    latencyP95Ms: report.latencyP95Ms,
  };
  const judged = await judge(plan, evidence, log);
  const unsigned = await log.step('package', async () => {
    const value = await imports.packageImport({ ...context, report });
    return { value, detail: `${value.files.length} files, ${value.digest.slice(0, 19)}…`, reusedFrom: value.reusedFrom };
  });
  const signed = await signUnlessRefused(input, { unsigned, refused: judged.refused }, log);
  const architectureChanged = champion?.shape !== undefined && shapeChanged(champion.shape, report.shape);
  const risk = riskOf(plan, { evidence, architectureChanged });
  return await register(
    input,
    { plan, evidence, ...judged, package: signed, risk },
    {
      log,
      made: {
        evaluation: report.object,
        hyperparameters: {},
        dataset: null,
        trainedFromMs: null,
        trainedToMs: imported.trainedToMs ?? null,
        shape: report.shape,
        framework: report.framework,
      },
    },
  );
}

function told({ framework, parity, latencyP95Ms }: ImportReport): string {
  const near =
    parity === null
      ? 'nobody said what the native model answers'
      : `${parity.values.toLocaleString('en-US')} values as the native model answers them, largest difference ${parity.largestDifference.toPrecision(2)}`;
  return `${framework}; ${near}; P95 ${formatLatency(latencyP95Ms)}`;
}
