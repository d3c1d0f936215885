import type { GateResult } from '../../domain/gates.js';
import type { MetricValue } from '../../domain/metrics.js';
import type { HyperparameterValue, PublishedDefinition, Risk } from '../../domain/model-definition.js';
import type { Policy } from '../../domain/policy.js';
import type { SemanticVersion, VersionShape } from '../../domain/version.js';
import type { DatasetRef, ObjectRef, PackageRef } from '../artifacts.js';
import type { RetrainInput, RunResult } from '../retrain.js';
import type { StepProgress } from '../steps.js';
import type { Trial } from '../tune.js';

export type RunPlan = {
  readonly published: PublishedDefinition;
  readonly policy: Policy;
  /** Task, trainer or input schema differ from the champion's: the next version is a MAJOR one, and its risk is high. */
  readonly architectureChanged: boolean;
  readonly champion: {
    readonly version: string;
    readonly package: PackageRef;
    /** Null when it was imported and nobody said. */
    readonly trainedToMs: number | null;
    /** Absent in runs that began with an earlier release. */
    readonly shape?: VersionShape;
  } | null;
};

/** Queue `lifecycle`: short, against Postgres. All idempotent by run, version or promotion id. */
export type RegistryActivities = {
  activeDefinition(input: { model: string }): Promise<PublishedDefinition>;
  /** Writes the run's row (idempotent) and answers all that the run needs to know. */
  beginRun(input: RetrainInput): Promise<RunPlan>;
  recordStep(input: { model: string; run: string; progress: StepProgress }): Promise<void>;
  recordTrial(input: { model: string; run: string; trial: Trial }): Promise<void>;
  /** Registers the candidate: next semantic version by the bump rules, metadata, metrics, gates, card; idempotent by run. A refused candidate is registered too, with stage None, approval `rejected` and the reason. */
  registerVersion(input: {
    model: string;
    run: string;
    definitionDigest: string;
    package: PackageRef;
    metrics: readonly MetricValue[];
    championMetrics: readonly MetricValue[];
    /** On the champion's rows; absent in requests of earlier releases. */
    candidateMetrics?: readonly MetricValue[];
    gates: readonly GateResult[];
    evaluation: ObjectRef;
    hyperparameters: Readonly<Record<string, HyperparameterValue>>;
    /** Null for an imported version, as is its training time unless it was told. */
    dataset: DatasetRef | null;
    trainedFromMs: number | null;
    trainedToMs: number | null;
    /** Of an imported version, whose file decides it; that of the definition when absent. */
    shape?: VersionShape;
    /** What made an imported version; absent for one that was trained here. */
    framework?: string;
    risk: Risk;
    riskReason: string;
    refused: string | null;
  }): Promise<{ version: SemanticVersion }>;
  endRun(input: RunResult): Promise<void>;
};
