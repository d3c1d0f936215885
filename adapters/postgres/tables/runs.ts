import type { DatasetRef } from '../../../contracts/artifacts.js';
import type { RunResult, TriggerKind } from '../../../contracts/retrain.js';
import type { StepProgress } from '../../../contracts/steps.js';
import type { Trial } from '../../../contracts/tune.js';
import type { ClockRef } from '../../../domain/clock.js';
import type { Json } from '../../../domain/json.js';
import type { ModelDefinition } from '../../../domain/model-definition.js';
import type { RunOutcome } from '../../../domain/outcome.js';
import type { JsonColumn, Nullable, NullableJsonColumn, NullableTimeColumn, RequiredTimeColumn, TimeColumn } from '../columns.js';

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

/** A metric tracked while something trains: a point of a curve. `name` says whose it is: `train/mape`, `trial-007/mape`. */
export interface RunMetricTable {
  model: string;
  run: string;
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
