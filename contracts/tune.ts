import type { HyperparameterValue, TrainedDefinition } from '../domain/model-definition.js';
import type { ObjectRef } from './artifacts.js';

export type TuneInput = {
  readonly model: string;
  readonly run: string;
  readonly tuning: NonNullable<TrainedDefinition['tuning']>;
  readonly trainer: TrainedDefinition['trainer'];
  readonly metrics: TrainedDefinition['metrics'];
  readonly features: readonly string[];
  readonly target: string;
  /** Parquet of features and target; trials are trained on the first and scored on the second, both inside the training part. */
  readonly train: ObjectRef;
  readonly validation: ObjectRef;
  readonly useCache: boolean;
};

export type Trial = {
  readonly number: number;
  readonly params: Readonly<Record<string, HyperparameterValue>>;
  readonly state: 'running' | 'complete' | 'failed';
  readonly value: number | null;
  readonly seconds?: number;
};

export type TuneResult = {
  readonly best: Trial;
  readonly trials: readonly Trial[];
  readonly objective: string;
  readonly direction: 'minimize' | 'maximize';
  readonly reusedFrom?: string;
};
