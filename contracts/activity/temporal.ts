import type { ClockRef } from '../../domain/clock.js';
import type { RetrainAnswer, RetrainRequest } from '../lifecycle.js';
import type { RunResult } from '../retrain.js';
import type { RolloutResult } from '../rollout.js';

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
