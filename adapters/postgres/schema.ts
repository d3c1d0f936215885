import type { Generated } from 'kysely';
import type { Notice } from '../../activities/ports.js';
import type { DatasetRef, ObjectRef, PackageRef } from '../../contracts/artifacts.js';
import type { RunResult, TriggerKind } from '../../contracts/retrain.js';
import type { StepProgress } from '../../contracts/steps.js';
import type { Trial } from '../../contracts/tune.js';
import type { ApprovalRequest, Decision, Identity } from '../../domain/approval.js';
import type { ClockRef } from '../../domain/clock.js';
import type { FeatureDefinition } from '../../domain/features.js';
import type { GateResult } from '../../domain/gates.js';
import type { Json } from '../../domain/json.js';
import type { MetricValue } from '../../domain/metrics.js';
import type { HyperparameterValue, ModelDefinition, Risk } from '../../domain/model-definition.js';
import type { RunOutcome } from '../../domain/outcome.js';
import type { Policy } from '../../domain/policy.js';
import type { RolloutPlan } from '../../domain/rollout-plan.js';
import type { Alias, ApprovalStatus, Stage, VersionShape } from '../../domain/version.js';
import type { JsonColumn, Nullable, NullableJsonColumn, NullableTimeColumn, RequiredTimeColumn, TimeColumn } from './columns.js';
import type { ServingTables } from './serving/schema.js';

/** A published definition, immutable, by the SHA-256 of its canonical JSON. */
export interface DefinitionTable {
  digest: string;
  model: string;
  definition: JsonColumn<ModelDefinition>;
  published_by: string;
  published_at: TimeColumn;
}

/** The one definition of a model that new runs start with. */
export interface ActiveDefinitionTable {
  model: string;
  digest: string;
  activated_by: string;
  activated_at: TimeColumn;
}

export interface DatasetTable {
  digest: string;
  model: string;
  dataset: JsonColumn<DatasetRef>;
  rows: number;
  from_time: RequiredTimeColumn;
  to_time: RequiredTimeColumn;
  recorded_at: TimeColumn;
}

/** Where a run's code ran, and with what. */
export type RunEnvironment = { readonly [key: string]: Json | undefined };

export interface RunTable {
  model: string;
  run: string;
  /** Counter of the model's runs, for `loadLifecycle`. */
  number: number;
  definition_digest: string;
  clock: JsonColumn<ClockRef>;
  as_of: RequiredTimeColumn;
  trigger: TriggerKind;
  requested_by: string;
  reason: string;
  use_cache: boolean;
  code_revision: string;
  machine: JsonColumn<RunEnvironment>;
  packages: JsonColumn<RunEnvironment>;
  seeds: JsonColumn<RunEnvironment>;
  data_digest: Nullable<string>;
  /** What the trainer said of itself: package versions, seed, machine, rounds. */
  trainer_manifest: NullableJsonColumn<Json>;
  version: Nullable<string>;
  outcome: Nullable<RunOutcome>;
  outcome_reason: Nullable<string>;
  result: NullableJsonColumn<RunResult>;
  started_at: TimeColumn;
  ended_at: NullableTimeColumn;
}

export interface RunStepTable {
  model: string;
  run: string;
  step: StepProgress['step'];
  status: StepProgress['status'];
  detail: Nullable<string>;
  started_at: RequiredTimeColumn;
  ended_at: NullableTimeColumn;
}

export interface TrialTable {
  model: string;
  run: string;
  number: number;
  params: JsonColumn<Trial['params']>;
  state: Trial['state'];
  value: Nullable<number>;
  seconds: Nullable<number>;
  recorded_at: TimeColumn;
}

/** A metric tracked while something trains: a point of a curve. `purpose` is `train`, `refit`, `trial-007`. */
export interface RunMetricTable {
  model: string;
  run: string;
  purpose: string;
  name: string;
  step: number;
  /** Null when the trainer answered no finite number. */
  value: Nullable<number>;
  at: RequiredTimeColumn;
}

export interface StepCacheTable {
  key: string;
  step: string;
  model: string;
  run: string;
  inputs: JsonColumn<unknown>;
  output: JsonColumn<unknown>;
  stored_at: TimeColumn;
}

export interface VersionTable {
  model: string;
  version: string;
  run: string;
  definition_digest: string;
  previous_version: Nullable<string>;
  package_digest: string;
  package: JsonColumn<PackageRef>;
  signature_digest: Nullable<string>;
  stage: Stage;
  approval_status: ApprovalStatus;
  risk: Risk;
  risk_reason: string;
  /** Why the candidate may not go live: a gate's reason. Null when it may. */
  refused: Nullable<string>;
  metrics: JsonColumn<readonly MetricValue[]>;
  champion_metrics: JsonColumn<readonly MetricValue[]>;
  gates: JsonColumn<readonly GateResult[]>;
  evaluation: JsonColumn<ObjectRef>;
  hyperparameters: JsonColumn<Readonly<Record<string, HyperparameterValue>>>;
  dataset_digest: string;
  /** Features in order, as data. */
  feature_schema: JsonColumn<readonly FeatureDefinition[]>;
  /** Request and output: what a caller must send and gets. */
  signature: JsonColumn<ModelDefinition['serving']>;
  shape: JsonColumn<VersionShape>;
  /** The model card, Markdown. */
  card: string;
  changelog: string;
  tags: JsonColumn<Readonly<Record<string, string>>>;
  trained_from: RequiredTimeColumn;
  trained_to: RequiredTimeColumn;
  created_at: TimeColumn;
}

/** One champion a model: the primary key is (model, alias). */
export interface AliasTable {
  model: string;
  alias: Alias;
  version: string;
  promotion_id: string;
  changed_at: RequiredTimeColumn;
}

/** Who was what, when: `[valid_from, valid_to)`; never two rows of one alias at one time. */
export interface AliasHistoryTable {
  id: Generated<number>;
  model: string;
  alias: Alias;
  version: string;
  promotion_id: string;
  changed_by: string;
  reason: string;
  valid_from: RequiredTimeColumn;
  valid_to: NullableTimeColumn;
}

/** What a person is shown when asked. */
export type ApprovalEvidence = {
  readonly model: string;
  readonly version: string;
  readonly run: string;
  readonly packageDigest: string;
  readonly risk: Risk;
  readonly riskReason: string;
  readonly plan: RolloutPlan;
  readonly gates: readonly GateResult[];
  readonly metrics: readonly MetricValue[];
  readonly championMetrics: readonly MetricValue[];
};

export interface ApprovalTable {
  model: string;
  version: string;
  run: string;
  risk: Risk;
  risk_reason: string;
  requested_by: string;
  approvers: JsonColumn<readonly string[]>;
  evidence: JsonColumn<ApprovalEvidence>;
  evidence_digest: string;
  policy_version: number;
  status: ApprovalRequest['status'];
  settled_reason: Nullable<string>;
  expires_at: RequiredTimeColumn;
  requested_at: TimeColumn;
  settled_at: NullableTimeColumn;
}

/** A decision that counted. Refused ones are in the audit only. */
export interface ApprovalDecisionTable {
  id: Generated<number>;
  model: string;
  version: string;
  decided_by: string;
  decision: Decision['decision'];
  reason: string;
  ticket: Nullable<string>;
  evidence_digest: Nullable<string>;
  key_id: Nullable<string>;
  signature: Nullable<string>;
  identity: Identity;
  decided_at: RequiredTimeColumn;
}

export interface PolicyTable {
  version: number;
  policy: JsonColumn<Policy>;
  changed_by: string;
  reason: string;
  changed_at: TimeColumn;
}

/** A person's public key. A person may have several; a revoked one counts no more. */
export interface PersonTable {
  key_id: string;
  name: string;
  public_key: string;
  registered_by: string;
  registered_at: TimeColumn;
  revoked_at: NullableTimeColumn;
}

/** Append-only, each row chained to the one before it by SHA-256. Written by `appendAudit` alone. */
export interface AuditTable {
  sequence: number;
  at: RequiredTimeColumn;
  model: Nullable<string>;
  action: string;
  actor: string;
  identity: Identity | 'system';
  outcome: 'done' | 'refused' | 'failed';
  reason: string;
  ticket: Nullable<string>;
  details: JsonColumn<unknown>;
  key: Nullable<string>;
  previous_hash: string;
  hash: string;
}

/** The newest row of the audit: one row, whose lock puts writers in a line. */
export interface AuditHeadTable {
  single: Generated<boolean>;
  sequence: number;
  hash: string;
}

export interface OutboxTable {
  key: string;
  model: string;
  notice: JsonColumn<Notice>;
  attempts: Generated<number>;
  last_error: Nullable<string>;
  next_try_at: TimeColumn;
  created_at: TimeColumn;
  delivered_at: NullableTimeColumn;
}

export interface LifecycleTable {
  model: string;
  paused_by: Nullable<string>;
  paused_reason: Nullable<string>;
  paused_at: NullableTimeColumn;
}

export interface RegistryTables {
  definitions: DefinitionTable;
  active_definitions: ActiveDefinitionTable;
  datasets: DatasetTable;
  runs: RunTable;
  run_steps: RunStepTable;
  trials: TrialTable;
  run_metrics: RunMetricTable;
  step_cache: StepCacheTable;
  versions: VersionTable;
  aliases: AliasTable;
  alias_history: AliasHistoryTable;
  approvals: ApprovalTable;
  approval_decisions: ApprovalDecisionTable;
  policies: PolicyTable;
  people: PersonTable;
  audit: AuditTable;
  audit_head: AuditHeadTable;
  outbox: OutboxTable;
  lifecycles: LifecycleTable;
}

/** Every table: the registry's and the serving state's. */
export interface Database extends RegistryTables, ServingTables {}
