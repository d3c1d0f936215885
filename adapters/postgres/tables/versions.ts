import type { Generated } from 'kysely';
import type { ObjectRef, PackageRef } from '../../../contracts/artifacts.js';
import type { FeatureDefinition } from '../../../domain/features.js';
import type { GateResult } from '../../../domain/gates.js';
import type { MetricValue } from '../../../domain/metrics.js';
import type { HyperparameterValue, ModelDefinition, Risk } from '../../../domain/model-definition.js';
import type { Alias, ApprovalStatus, Stage, VersionShape } from '../../../domain/version.js';
import type { JsonColumn, Nullable, NullableTimeColumn, RequiredTimeColumn, TimeColumn } from '../columns.js';

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
  /** The version's own figures on the rows that its champion was measured on. */
  candidate_metrics: JsonColumn<readonly MetricValue[]>;
  gates: JsonColumn<readonly GateResult[]>;
  evaluation: JsonColumn<ObjectRef>;
  hyperparameters: JsonColumn<Readonly<Record<string, HyperparameterValue>>>;
  /** Null for an imported version, as is what nobody told of its training. */
  dataset_digest: Nullable<string>;
  /** Features in order, as data. */
  feature_schema: JsonColumn<readonly FeatureDefinition[]>;
  /** Request and output: what a caller must send and gets. */
  signature: JsonColumn<ModelDefinition['serving']>;
  shape: JsonColumn<VersionShape>;
  /** The model card, Markdown. */
  card: string;
  changelog: string;
  tags: JsonColumn<Readonly<Record<string, string>>>;
  trained_from: NullableTimeColumn;
  trained_to: NullableTimeColumn;
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
