import type { MetricDefinition, MetricValue } from '../../domain/metrics.js';
import type { HyperparameterValue, TrainedDefinition } from '../../domain/model-definition.js';
import type { ObjectRef } from '../artifacts.js';
import type { Reusable } from '../steps.js';
import type { Trial, TuneInput } from '../tune.js';
import type { StepContext } from './step-context.js';

export type TrainInput = StepContext & {
  /** What the job is for; part of its deterministic name: `train`, `refit`, `trial-007`. */
  readonly purpose: string;
  readonly trainer: TrainedDefinition['trainer'];
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
