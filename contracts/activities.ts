import type { ClockRef } from '../domain/clock.js';
import type { Decision, ApprovalRequest } from '../domain/approval.js';
import type { GateResult } from '../domain/gates.js';
import type { MetricDefinition, MetricValue } from '../domain/metrics.js';
import type { HyperparameterValue, ModelDefinition, PublishedDefinition, Risk } from '../domain/model-definition.js';
import type { Policy } from '../domain/policy.js';
import type { RolloutLimits, RolloutPlan, RolloutStep } from '../domain/rollout-plan.js';
import type { StepEvidence } from '../domain/rollout-verdict.js';
import type { SemanticVersion } from '../domain/version.js';
import type { DatasetRef, ObjectRef, PackageRef } from './artifacts.js';
import type { DecideAnswer, RetrainAnswer, RetrainRequest } from './lifecycle.js';
import type { RetrainInput, RunResult, TriggerKind } from './retrain.js';
import type { RolloutInput, RolloutResult } from './rollout.js';
import type { Reusable, StepProgress } from './steps.js';
import type { Trial, TuneInput } from './tune.js';

/** Run id and cache switch that every training step carries. */
export type StepContext = { readonly model: string; readonly run: string; readonly useCache: boolean };

export type FeatureSet = {
  /** Event time, features in order (FP32), target; sorted by event time. */
  readonly object: ObjectRef;
  readonly rows: number;
  readonly features: readonly string[];
  readonly target: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** The rows that it was computed from: other features (a champion's) can be computed for the same rows. */
  readonly dataset?: DatasetRef;
};

export type DataReport = {
  readonly rows: number;
  readonly columns: readonly {
    readonly name: string;
    readonly nulls: number;
    readonly min: number | string | null;
    readonly max: number | string | null;
  }[];
  readonly absentSlots: number;
};

/** Queue `cpu`. */
export type DataActivities = {
  /** Rows with `asOf - days <= eventTime < asOf`, as Parquet. `DataInvalid` when empty or the query fails. */
  extractWindow(input: StepContext & { definition: ModelDefinition; asOfMs: number }): Promise<Reusable<DatasetRef>>;
  /** Every violation of `checks`, named with column, row count and example; throws `DataInvalid` (not retryable) when there is one. */
  checkData(input: StepContext & { definition: ModelDefinition; dataset: DatasetRef; asOfMs: number }): Promise<Reusable<DataReport>>;
  /** Features of every row by `domain/feature-computation.ts`. Also stores the (checked) outcomes that serving needs for its lags. */
  buildFeatures(input: StepContext & { definition: ModelDefinition; dataset: DatasetRef }): Promise<Reusable<FeatureSet>>;
  /** By time: the first `trainShare` of the rows, the rest held out; `fit` and `validation` are the training part split again the same way, where the definition asks for tuning. */
  splitFeatures(
    input: StepContext & { definition: ModelDefinition; features: FeatureSet },
  ): Promise<Reusable<{ train: FeatureSet; holdout: FeatureSet; fit?: FeatureSet; validation?: FeatureSet }>>;
};

export type TrainInput = StepContext & {
  /** What the job is for; part of its deterministic name: `train`, `refit`, `trial-007`. */
  readonly purpose: string;
  readonly trainer: ModelDefinition['trainer'];
  /** Definition's hyperparameters with the winner's on top. */
  readonly hyperparameters: Readonly<Record<string, HyperparameterValue>>;
  readonly train: ObjectRef;
  readonly features: readonly string[];
  readonly target: string;
  /** When given, the trainer scores it with `metrics` each few rounds and reports them (never used for fitting). */
  readonly validation?: ObjectRef;
  readonly metrics?: readonly MetricDefinition[];
};

export type TrainedModel = {
  readonly onnx: ObjectRef;
  readonly native: ObjectRef;
  /** Trainer's manifest: package versions, seed, parameters, rounds, machine, wall seconds, ONNX parity. */
  readonly manifest: ObjectRef;
  readonly metrics: readonly MetricValue[];
  readonly seconds: number;
};

/** Queue `cpu` or `gpu`. Heartbeats carry `{purpose, round, rounds, metrics, message}`. */
export type TrainingActivities = {
  /** `TrainerFailed` when it crashes, hangs or leaves no model, with the last lines it said. */
  trainModel(input: TrainInput): Promise<Reusable<TrainedModel>>;
  /** Next trial of a study. Pure in (trials, seed): a retry gives the same answer. */
  suggestTrial(input: {
    tuning: TuneInput['tuning'];
    seed: number;
    trials: readonly Trial[];
    number: number;
    direction: 'minimize' | 'maximize';
  }): Promise<{ params: Record<string, HyperparameterValue> }>;
  /** Trains one trial and scores it on the validation rows. */
  runTrial(input: TuneInput & { number: number; params: Readonly<Record<string, HyperparameterValue>> }): Promise<Reusable<Trial>>;
};

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
      definition: ModelDefinition;
      onnx: ObjectRef;
      holdout: FeatureSet;
      champion: { version: string; package: PackageRef; trainedToMs: number } | null;
    },
  ): Promise<Reusable<EvaluationReport>>;
  /** Checks the ONNX file's inputs and outputs against the definition, refuses external data, runs it on rows; `ArtifactRejected`. Then stores `serving.json` and the package. */
  packageModel(
    input: StepContext & { definition: ModelDefinition; trained: TrainedModel; sample: FeatureSet; evaluation: ObjectRef },
  ): Promise<Reusable<PackageRef>>;
  /** Signs (OpenSSF model signing) and verifies what it signed. */
  signPackage(input: StepContext & { package: PackageRef; name: string }): Promise<PackageRef>;
  /** Reads every file back against its digest and the signature against the trusted keys; `ArtifactRejected`. Promotion calls it. */
  verifyPackage(input: { model: string; version: string }): Promise<{ digest: string }>;
};

export type RunPlan = {
  readonly published: PublishedDefinition;
  readonly policy: Policy;
  /** Task, trainer or input schema differ from the champion's: the next version is a MAJOR one, and its risk is high. */
  readonly architectureChanged: boolean;
  readonly champion: { readonly version: string; readonly package: PackageRef; readonly trainedToMs: number } | null;
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
    dataset: DatasetRef;
    trainedFromMs: number;
    trainedToMs: number;
    risk: Risk;
    riskReason: string;
    refused: string | null;
  }): Promise<{ version: SemanticVersion }>;
  endRun(input: RunResult): Promise<void>;
};

export type ApprovalActivities = {
  /** Row, outbox message and audit in one transaction; idempotent by version. Answers `approved` at once when policy approves by itself. */
  requestApproval(input: {
    model: string;
    version: string;
    run: string;
    risk: Risk;
    riskReason: string;
    requestedBy: string;
    plan: RolloutPlan;
    gates: readonly GateResult[];
    metrics: readonly MetricValue[];
    championMetrics: readonly MetricValue[];
    /** On the champion's rows; absent in requests of earlier releases. */
    candidateMetrics?: readonly MetricValue[];
    expiresAfterMs: number;
    firstVersion: boolean;
  }): Promise<{ request: ApprovalRequest; settled: 'approved' | null; reason: string }>;
  /** Applies `domain/approval-rules.ts` under a row lock; refusals are audited too. `notApplicable` never throws. */
  decide(input: { model: string; decision: Decision }): Promise<DecideAnswer>;
  /** Closes a pending request; one that was settled meanwhile keeps its status, which is answered. */
  settleApproval(input: {
    model: string;
    version: string;
    status: 'expired' | 'superseded';
    reason: string;
  }): Promise<{ status: ApprovalRequest['status'] }>;
};

export type RolloutActivities = {
  /** Row of the rollout, stage Staging, alias challenger; refuses (`Conflict`) when an open investigation blocks this version. Idempotent by promotionId. */
  beginRollout(input: RolloutInput): Promise<void>;
  /**
   * Compare-and-set of the model's route; idempotent by (promotionId, stepIndex). Answers the generation that carries it.
   * With share 0 and no shadow the challenger is on standby: loaded, without traffic. `Conflict` when the rollout was ended meanwhile.
   */
  applyRoute(input: {
    model: string;
    promotionId: string;
    stepIndex: number;
    champion: string | null;
    challenger: string;
    share: number;
    shadow: boolean;
  }): Promise<{ generation: number }>;
  /** Heartbeats until every gateway with a fresh lease has acknowledged `generation`; `Unavailable` names those that did not, `ArtifactRejected` when a gateway refused to load it. */
  awaitRoute(input: { model: string; generation: number }): Promise<{ gateways: number }>;
  /** Sends the package's input example to that version on each gateway, and checks the answer. */
  smokeTest(input: { model: string; version: string }): Promise<StepEvidence['verdict']>;
  /**
   * Looks at the live measurements until a verdict, inside one heartbeating activity. `until: 'breach'` returns only on
   * a failed check; `until: 'verdict'` returns at pass, fail, or at `deadlineMs` (model time) with the holding verdict.
   */
  watchStep(input: {
    model: string;
    promotionId: string;
    stepIndex: number;
    step: RolloutStep;
    limits: RolloutLimits;
    champion: string | null;
    challenger: string;
    clock: ClockRef;
    rolloutStartMs: number;
    stepStartMs: number;
    deadlineMs: number;
    until: 'breach' | 'verdict';
  }): Promise<StepEvidence>;
  recordRolloutStep(input: { promotionId: string; stepIndex: number; evidence: StepEvidence }): Promise<void>;
  /** Alias champion by compare-and-set, stages, route 100%, history, audit, outbox: one transaction, idempotent by promotionId. Verifies digest and signature first. */
  promote(input: {
    model: string;
    version: string;
    champion: string | null;
    promotionId: string;
    by: string;
    reason: string;
  }): Promise<{ generation: number }>;
  /** Traffic back to the champion, and (when the challenger was at fault) an investigation and a message: one transaction, idempotent. */
  takeBack(input: {
    model: string;
    version: string;
    champion: string | null;
    promotionId: string;
    reason: string;
    by: string;
    investigate: boolean;
  }): Promise<{ generation: number }>;
  endRollout(input: RolloutResult): Promise<void>;
  /** Alias champion back to `previous`, route 100% there, in one transaction; audited; opens an investigation of the version taken back. */
  rollback(input: {
    model: string;
    by: string;
    reason: string;
    requestId: string;
  }): Promise<{ from: string; to: string; generation: number }>;
};

export type ClockActivities = {
  /** The driven clock's time, epoch milliseconds. */
  readClock(input: { name: string }): Promise<{ nowMs: number }>;
  /** Heartbeats until the driven clock reaches `untilMs`. */
  awaitClock(input: { name: string; untilMs: number }): Promise<{ nowMs: number }>;
};

export type LifecycleRecord = {
  readonly runCount: number;
  readonly lastRunAsOfMs: number | null;
  readonly paused: { readonly by: string; readonly reason: string; readonly atMs: number } | null;
  /** Runs whose row has no end, oldest first; the phase follows from their version's approval. */
  readonly active: readonly {
    readonly run: string;
    readonly asOfMs: number;
    readonly trigger: TriggerKind;
    readonly requestedBy: string;
    readonly phase: 'training' | 'awaitingApproval' | 'awaitingRollout' | 'rollingOut';
    readonly version: string | null;
  }[];
  readonly rollout: {
    readonly version: string;
    readonly champion: string | null;
    readonly promotionId: string;
    readonly run: string | null;
  } | null;
};

export type LifecycleActivities = {
  /** What to rebuild from after the workflow was lost: the run counter, runs without an end, the rollout without an end. */
  loadLifecycle(input: { model: string }): Promise<LifecycleRecord>;
  /** Stops or lets go the model's triggers, across a loss of the workflow; audited. */
  setPaused(input: {
    model: string;
    paused: { by: string; reason: string; atMs: number } | null;
    by: string;
    reason: string;
  }): Promise<void>;
  audit(input: {
    model: string;
    action: string;
    by: string;
    outcome: 'done' | 'refused' | 'failed';
    reason: string;
    details?: Record<string, unknown>;
    key?: string;
  }): Promise<void>;
  /** What a promotion by hand needs: the version's approval, plan and limits; `NotApproved` or `Conflict` with the reason. */
  planRollout(input: {
    model: string;
    version: string;
    requestedBy: string;
  }): Promise<{ plan: RolloutPlan; limits: RolloutLimits; champion: string | null; attempt: number; run: string | null }>;
};

/** Queue `lifecycle`: what a workflow needs of Temporal itself, through a client. */
export type TemporalActivities = {
  /** Update `retrain` on `model:<name>`, starting it when it does not run. */
  requestRetrain(input: { model: string; clock: ClockRef; request: RetrainRequest }): Promise<RetrainAnswer>;
  /** Heartbeats until the run has ended; its result. A run that failed for technical reasons answers `failed`. */
  awaitRun(input: { workflowId: string }): Promise<{ outcome: RunResult['outcome']; reason: string }>;
  /** Whether a workflow is still running, and its result when it completed. */
  describeRun(input: {
    workflowId: string;
  }): Promise<{ status: 'running' | 'completed' | 'failed' | 'absent'; result?: RunResult | RolloutResult }>;
};
