import type { MetricValue } from '../../domain/metrics.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import type { ObjectRef, PackageRef } from '../artifacts.js';
import type { Reusable } from '../steps.js';
import type { FeatureSet } from './data.js';
import type { StepContext } from './step-context.js';
import type { TrainedModel } from './training.js';

export type EvaluationReport = {
  readonly metrics: readonly MetricValue[];
  /** Both on the same rows, those newer than the training rows of both (figures are null without such rows); null without a champion. */
  readonly champion: {
    readonly version: string;
    readonly metrics: readonly MetricValue[];
    readonly candidateMetrics: readonly MetricValue[];
    readonly rows: number;
    readonly fromMs: number;
    readonly toMs: number;
    /** Why there are no figures (`value: null`): no such rows, or a champion that could not be run on them. */
    readonly note?: string;
  } | null;
  readonly residualsByHour: readonly {
    readonly hour: number;
    readonly count: number;
    readonly meanResidual: number;
    readonly meanAbsoluteResidual: number;
  }[];
  readonly latencyP95Ms: number;
  readonly rows: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** `evaluation.json` in the object store. */
  readonly object: ObjectRef;
};

/** Queue `cpu`. */
export type EvaluationActivities = {
  /**
   * Runs the ONNX file itself over the held-out rows; beside it, candidate and champion over those held-out rows that are
   * at or after the champion's `trainedToMs` (rows newer than the training of both). Uses ONNX Runtime as the gateway does.
   */
  evaluateModel(
    input: StepContext & {
      definition: TrainedDefinition;
      onnx: ObjectRef;
      holdout: FeatureSet;
      champion: { version: string; package: PackageRef; trainedToMs: number | null } | null;
    },
  ): Promise<Reusable<EvaluationReport>>;
  /** Checks the ONNX file's inputs and outputs against the definition, refuses external data, runs it on rows; `ArtifactRejected`. Then stores `serving.json` and the package. */
  packageModel(
    input: StepContext & { definition: TrainedDefinition; trained: TrainedModel; sample: FeatureSet; evaluation: ObjectRef },
  ): Promise<Reusable<PackageRef>>;
  /** Signs (OpenSSF model signing) and verifies what it signed. */
  signPackage(input: StepContext & { package: PackageRef; name: string }): Promise<PackageRef>;
  /** Reads every file back against its digest and the signature against the trusted keys; `ArtifactRejected`. Promotion calls it. */
  verifyPackage(input: { model: string; version: string }): Promise<{ digest: string }>;
};
