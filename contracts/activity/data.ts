import type { TrainedDefinition } from '../../domain/model-definition.js';
import type { DatasetRef, ObjectRef } from '../artifacts.js';
import type { Reusable } from '../steps.js';
import type { StepContext } from './step-context.js';

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
  extractWindow(input: StepContext & { definition: TrainedDefinition; asOfMs: number }): Promise<Reusable<DatasetRef>>;
  /** Every violation of `checks`, named with column, row count and example; throws `DataInvalid` (not retryable) when there is one. */
  checkData(input: StepContext & { definition: TrainedDefinition; dataset: DatasetRef; asOfMs: number }): Promise<Reusable<DataReport>>;
  /** Features of every row by `domain/feature-computation.ts`. Also stores the (checked) outcomes that serving needs for its lags. */
  buildFeatures(input: StepContext & { definition: TrainedDefinition; dataset: DatasetRef }): Promise<Reusable<FeatureSet>>;
  /** By time: the first `trainShare` of the rows, the rest held out; `fit` and `validation` are the training part split again the same way, where the definition asks for tuning. */
  splitFeatures(
    input: StepContext & { definition: TrainedDefinition; features: FeatureSet },
  ): Promise<Reusable<{ train: FeatureSet; holdout: FeatureSet; fit?: FeatureSet; validation?: FeatureSet }>>;
};
