import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Decision } from '../domain/approval.js';
import type { ClockRef } from '../domain/clock.js';
import type { ImportedModel } from './imported-model.js';
import type { RunResult, TriggerKind } from './retrain.js';
import type { CommandAnswer, RolloutResult } from './rollout.js';

export type RunRef = { readonly run: string; readonly workflowId: string };

export type RetrainRequest = {
  readonly reason: string;
  readonly by: string;
  /** Model time in epoch milliseconds; the model's clock when absent. */
  readonly asOf?: number;
  readonly requestId?: string;
  readonly trigger?: TriggerKind;
  /** Whether unchanged steps are reused; default true. */
  readonly useCache?: boolean;
  /** For a model whose versions are imported: the file that becomes the next one. */
  readonly imported?: ImportedModel;
};

/** A start, a place in the queue, or a refusal with its reason (paused, cool-down, duplicate). */
export type RetrainAnswer =
  | { readonly kind: 'started'; readonly run: string; readonly workflowId: string }
  | { readonly kind: 'queued'; readonly run: string; readonly workflowId: string; readonly behind: string }
  | { readonly kind: 'duplicate'; readonly run: string; readonly workflowId: string }
  | { readonly kind: 'refused'; readonly reason: string };

export type DecideAnswer =
  | { readonly kind: 'counted'; readonly version: string; readonly missing: readonly string[]; readonly identity: 'signed' | 'claimed' }
  | {
      readonly kind: 'settled';
      readonly version: string;
      readonly status: 'approved' | 'rejected';
      readonly identity: 'signed' | 'claimed';
    }
  | { readonly kind: 'refused'; readonly reason: string };

export type RollbackRequest = { readonly reason: string; readonly by: string; readonly requestId?: string };
export type PauseRequest = { readonly reason: string; readonly by: string; readonly requestId?: string };
/** Starts a rollout of a version that is approved already, for instance after its investigation was closed. */
export type PromoteRequest = { readonly version: string; readonly reason: string; readonly by: string; readonly requestId?: string };

type ActiveRun = RunRef & {
  readonly asOfMs: number;
  readonly trigger: TriggerKind;
  readonly phase: 'training' | 'awaitingApproval' | 'awaitingRollout' | 'rollingOut';
  readonly version?: string;
};
type QueuedRun = {
  readonly run: string;
  readonly asOfMs: number;
  readonly trigger: TriggerKind;
  readonly by: string;
  readonly reason: string;
  readonly useCache: boolean;
  readonly imported?: ImportedModel;
  /** The definition that was active when it was asked for: taken when the registry has none when it starts. */
  readonly definitionDigest?: string;
};
type ActiveRollout = {
  readonly version: string;
  readonly champion: string | null;
  readonly promotionId: string;
  readonly workflowId: string;
  readonly run: string | null;
  /** Who took it back and why, while it ends. */
  readonly takenBack?: string;
};

/** The whole state of `modelLifecycle`, plain JSON; it goes along at continue-as-new. `stateVersion` guards the upgrade function. */
export type LifecycleState = {
  readonly stateVersion: 1;
  readonly paused: { readonly by: string; readonly reason: string; readonly atMs: number } | null;
  /** Counter behind run names. */
  readonly runCount: number;
  readonly active: readonly ActiveRun[];
  readonly queue: readonly QueuedRun[];
  readonly rollout: ActiveRollout | null;
  readonly waitingRollout: { readonly version: string; readonly run: string | null; readonly requestedBy: string } | null;
  /** Model time of the last run that trained, for the cool-down. */
  readonly lastRunAsOfMs: number | null;
  readonly lastResult: RunResult | null;
  /** requestId -> answer, and slots seen: the newest 200. */
  readonly answered: readonly { readonly requestId: string; readonly answer: RetrainAnswer }[];
};

export type LifecycleInput = {
  readonly model: string;
  readonly clock: ClockRef;
  readonly state?: LifecycleState;
  /** Messages after which it continues as new; default 1,500, well below the 2,000 updates that a run of a workflow may take. */
  readonly messagesBeforeContinueAsNew?: number;
};

export type LifecycleStatus = {
  readonly model: string;
  readonly clock: ClockRef;
  readonly state: LifecycleState;
};

export const retrainSignal = defineSignal<[RetrainRequest]>('retrain');
export const rollbackSignal = defineSignal<[RollbackRequest]>('rollback');
export const pauseSignal = defineSignal<[PauseRequest]>('pause');
export const resumeSignal = defineSignal<[PauseRequest]>('resume');
export const approveSignal = defineSignal<[Omit<Decision, 'decision'>]>('approve');
export const rejectSignal = defineSignal<[Omit<Decision, 'decision'>]>('reject');

export const retrainUpdate = defineUpdate<RetrainAnswer, [RetrainRequest]>('retrain');
export const rollbackUpdate = defineUpdate<CommandAnswer, [RollbackRequest]>('rollback');
export const pauseUpdate = defineUpdate<CommandAnswer, [PauseRequest]>('pause');
export const resumeUpdate = defineUpdate<CommandAnswer, [PauseRequest]>('resume');
export const promoteVersionUpdate = defineUpdate<CommandAnswer, [PromoteRequest]>('promoteVersion');
export const decideUpdate = defineUpdate<DecideAnswer, [Decision]>('decide');
export const lifecycleStatusQuery = defineQuery<LifecycleStatus>('status');

/** From `retrain`: its phase changed (a candidate waits for approval, or is approved and wants its rollout). */
export const runPhaseSignal =
  defineSignal<[{ run: string; phase: 'awaitingApproval' | 'awaitingRollout'; version: string; requestedBy: string }]>('runPhase');
/** From `retrain`: the run is over. */
export const runEndedSignal = defineSignal<[RunResult]>('runEnded');
/** From `rollout`: it is over. */
export const rolloutClosedSignal = defineSignal<[RolloutResult]>('rolloutClosed');
