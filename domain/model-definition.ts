import { PerennialError } from './errors.js';
import type { MetricDefinition } from './metrics.js';
import type { GateDefinition, LatencyGate } from './gates.js';
import type { FeatureDefinition, InputFeature } from './features.js';
import type { RolloutLimits, RolloutPlanName } from './rollout-plan.js';
import type { AcceleratorOptions, CacheOptions, EntityOptions, KeptCaptureOptions } from './serving-options.js';

/** How much harm a wrong model can do; it decides who must approve and how a version is rolled out. */
export type Risk = 'low' | 'limited' | 'high';

export type ColumnType = 'timestamp' | 'integer' | 'number' | 'text' | 'boolean';

/** What a column of the extracted table must look like. Bounds are inclusive. */
export type ColumnCheck = {
  readonly name: string;
  readonly type: ColumnType;
  readonly min?: number;
  readonly max?: number;
  readonly allowed?: readonly (string | number)[];
  /** Default false: a null is a violation. */
  readonly nullable?: boolean;
};

/** Where the raw rows come from: SQL (DuckDB) over files below the data folder, each given as a view. */
export type SourceDefinition = {
  readonly kind: 'sql';
  /** View name -> path below the data folder (`.perennial/data`) or an `s3://` address; CSV or Parquet by suffix. */
  readonly files: Readonly<Record<string, string>>;
  /** One SELECT that yields the columns listed in `checks.columns`. The platform cuts the as-of window around it. */
  readonly query: string;
  readonly licence?: string;
  readonly origin?: string;
};

export type SearchDimension =
  | { readonly kind: 'int'; readonly low: number; readonly high: number; readonly log?: boolean }
  | { readonly kind: 'float'; readonly low: number; readonly high: number; readonly log?: boolean }
  | { readonly kind: 'choice'; readonly values: readonly (string | number)[] };

export type HyperparameterValue = string | number | boolean;

/** A field of the request, as the caller sends it. `datatype` is that of the Open Inference Protocol. */
export type RequestField = {
  readonly name: string;
  readonly datatype: 'INT64' | 'FP32' | 'FP64' | 'BOOL' | 'BYTES';
  readonly description?: string;
  readonly min?: number;
  readonly max?: number;
};

/** A cron schedule, as data. Model time, UTC. */
export type ScheduleDefinition = {
  readonly name: string;
  readonly cron: string;
  readonly overlap: 'skip' | 'bufferOne' | 'allowAll';
  /** How late a slot may still be started, in milliseconds of wall time. */
  readonly catchUpWindowMs: number;
  readonly note?: string;
};

/** What every definition says, wherever its versions come from. */
type CommonDefinition = {
  readonly name: string;
  readonly description: string;
  readonly owner: string;
  readonly risk: Risk;
  readonly serving: {
    readonly endpointKind: 'realtime' | 'batch';
    readonly request: readonly RequestField[];
    readonly output: { readonly name: string; readonly min?: number; readonly max?: number };
    /** Request fields that together name the question; two requests with the same values ask the same (one pair). */
    readonly subject: readonly string[];
    readonly capture?: KeptCaptureOptions;
    readonly cache?: CacheOptions;
    readonly entities?: EntityOptions;
    readonly accelerator?: AcceleratorOptions;
  };
  readonly approval: { readonly expiresAfterMs: number };
  readonly rollout: { readonly plan?: RolloutPlanName; readonly limits: RolloutLimits };
  readonly labels: { readonly expectedDelayMs: number };
  readonly card: {
    readonly intendedUse: string;
    readonly primaryUsers: string;
    readonly limitations: readonly string[];
  };
};

/** A model whose versions are trained here, from data to ONNX file. Written by `defineModel` in `models/<name>.ts`. */
export type TrainedDefinition = CommonDefinition & {
  readonly task: 'regression' | 'classification';
  readonly source: SourceDefinition;
  /** Rows with `asOf - days <= eventTime < asOf` are extracted. */
  readonly window: { readonly days: number };
  readonly eventTime: string;
  readonly target: { readonly column: string; readonly unit: string };
  readonly checks: { readonly columns: readonly ColumnCheck[]; readonly uniqueBy: readonly string[]; readonly minRows: number };
  readonly features: readonly FeatureDefinition[];
  /** The last `1 - trainShare` of the rows, by event time, are held out. Never shuffled. */
  readonly split: { readonly kind: 'time'; readonly trainShare: number };
  readonly trainer: {
    readonly name: string;
    readonly hyperparameters: Readonly<Record<string, HyperparameterValue>>;
    readonly seed: number;
    /** Train the winner again on the whole window with the same settings (a forecast must know the newest days). */
    readonly refit: boolean;
    /** A trainer that says nothing for this long is taken as hung. */
    readonly silenceLimitMs: number;
  };
  readonly tuning?: {
    readonly sampler: 'bayesian' | 'random' | 'grid';
    readonly trials: number;
    readonly parallelism: number;
    /** Name of the metric in `metrics` that trials minimise or maximise. */
    readonly objective: string;
    readonly space: Readonly<Record<string, SearchDimension>>;
  };
  readonly metrics: readonly MetricDefinition[];
  readonly gates: readonly GateDefinition[];
  readonly retraining: { readonly schedules: readonly ScheduleDefinition[]; readonly coolDownMs: number };
};

/**
 * A model whose versions are ONNX files that were made elsewhere, by whatever framework. Written by `defineImportedModel`.
 * Without `features` callers send the file's own tensors, and `serving.output.name` is the output that captures hold; with
 * them callers send `serving.request`, and the file takes one matrix of the features and answers a number a row.
 */
export type ImportedDefinition = CommonDefinition & {
  readonly versions: 'imported';
  readonly task: 'regression' | 'classification' | 'other';
  readonly features: readonly InputFeature[];
  /** There are no held-out rows to measure a metric on. */
  readonly gates: readonly LatencyGate[];
};

/** Everything the platform knows of a model; plain JSON. */
export type ModelDefinition = TrainedDefinition | ImportedDefinition;

export function isImported(definition: ModelDefinition): definition is ImportedDefinition {
  return 'versions' in definition;
}

/** The definition of a model that is trained here. Throws `Conflict` for one whose versions are imported. */
export function trainedHere(definition: ModelDefinition): TrainedDefinition {
  if (!isImported(definition)) return definition;
  throw new PerennialError(
    'Conflict',
    `The versions of ${definition.name} are imported: there is no data here to train or replay it with. Bring a file: ./perennial import ${definition.name} model.onnx`,
    { details: { model: definition.name } },
  );
}

/** Why a run is refused that brings a file to a model that is trained here, or none to one whose versions are imported. */
export function wrongKind(definition: ModelDefinition): string {
  return isImported(definition)
    ? `the versions of ${definition.name} are imported, not trained here: bring a file with ./perennial import ${definition.name} model.onnx`
    : `${definition.name} is trained here, by its definition; give the imported file a model of its own (versions: 'imported')`;
}

/** The retraining schedules of a model; an imported one has none. */
export function schedulesIn(definition: ModelDefinition): readonly ScheduleDefinition[] {
  return isImported(definition) ? [] : definition.retraining.schedules;
}

/** A definition with the SHA-256 of its canonical JSON, by which runs refer to it. */
export type PublishedDefinition = { readonly digest: string; readonly definition: ModelDefinition };
