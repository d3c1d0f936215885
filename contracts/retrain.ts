import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { ClockRef } from '../domain/clock.js';
import type { GateResult } from '../domain/gates.js';
import type { MetricValue } from '../domain/metrics.js';
import type { RunOutcome } from '../domain/outcome.js';
import type { PackageRef } from './artifacts.js';
import type { ImportedModel } from './imported-model.js';
import type { RolloutResult } from './rollout.js';
import type { StepProgress } from './steps.js';

export type TriggerKind = 'schedule' | 'manual' | 'backfill' | 'rehearsal' | 'drift';

export type RetrainInput = {
  readonly model: string;
  /** Unique in the model; made by `modelLifecycle` from the as-of time and a counter. No `:` or `/`. */
  readonly run: string;
  readonly definitionDigest: string;
  readonly clock: ClockRef;
  /** Model time that the run sees; data at or after it does not exist for it. */
  readonly asOfMs: number;
  readonly trigger: TriggerKind;
  readonly requestedBy: string;
  readonly reason: string;
  readonly useCache: boolean;
  /** The file that takes the place of data and training, of a model whose versions are imported. */
  readonly imported?: ImportedModel;
};

/** Evidence and result of a run; also its row in the registry. `seconds` is wall time. */
export type RunResult = {
  readonly run: string;
  readonly model: string;
  readonly version: string | null;
  readonly outcome: RunOutcome;
  readonly reason: string;
  readonly metrics: readonly MetricValue[];
  readonly championMetrics: readonly MetricValue[];
  /** The candidate's own on the champion's rows, which may be fewer than those of `metrics`; absent in results of earlier releases. */
  readonly candidateMetrics?: readonly MetricValue[];
  readonly gates: readonly GateResult[];
  readonly package: PackageRef | null;
  readonly rollout: RolloutResult | null;
  readonly steps: readonly StepProgress[];
  readonly seconds: number;
};

export type RunProgress = {
  readonly run: string;
  readonly version: string | null;
  readonly stage: string;
  readonly steps: readonly StepProgress[];
};

/** The approval of this run's version was settled (sent by `modelLifecycle`). */
export const approvalSettledSignal =
  defineSignal<[{ version: string; status: 'approved' | 'rejected' | 'superseded'; reason: string }]>('approvalSettled');
/** The rollout of this run's version ended or was superseded before it began (sent by `modelLifecycle`). */
export const rolloutEndedSignal = defineSignal<[RolloutResult]>('rolloutEnded');
export const progressQuery = defineQuery<RunProgress>('progress');
