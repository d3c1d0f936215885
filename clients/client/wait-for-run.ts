import { setTimeout as delay } from 'node:timers/promises';
import { type Client, WorkflowFailedError, type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { workflowIds } from '../../contracts/ids.js';
import { progressQuery, type RunProgress, type RunResult } from '../../contracts/retrain.js';
import { type RolloutStatus, rolloutStatusQuery } from '../../contracts/rollout.js';

/** What an activity of the run said of itself last. */
export type PendingWork = {
  readonly activity: string;
  readonly attempt: number;
  /** Heartbeat: of a training `{purpose, round, rounds, metrics, message}`. */
  readonly beat: unknown;
  /** Why the attempt before this one failed. */
  readonly lastFailure: string | null;
};

export type RunWatch =
  /** It waits behind another run. */
  | { readonly kind: 'queued' }
  /** No worker answers now; what was seen before may be old. */
  | { readonly kind: 'noWorker' }
  | {
      readonly kind: 'progress';
      readonly progress: RunProgress;
      readonly work: readonly PendingWork[];
      /** While the step `rollout` goes on. */
      readonly rollout: RolloutStatus | null;
    };

const lookEveryMs = 500;
const answerWithinMs = 2_000;

/** How a run ended: its result, or, for one that failed for technical reasons, the message of the failure. */
export type RunEnd = { readonly kind: 'result'; readonly result: RunResult } | { readonly kind: 'failure'; readonly reason: string };

/**
 * Waits until a run has ended and tells twice a second how it stands, also while it queues (its workflow does not exist
 * then) and while no worker is up.
 */
export async function waitForRun(
  client: Client,
  workflowId: string,
  onProgress: (seen: RunWatch) => void = () => undefined,
): Promise<RunEnd> {
  for (;;) {
    const handle = client.workflow.getHandle(workflowId);
    if (await exists(handle)) return await follow(client, handle, onProgress);
    onProgress({ kind: 'queued' });
    await delay(lookEveryMs);
  }
}

async function follow(client: Client, handle: WorkflowHandle, onProgress: (seen: RunWatch) => void): Promise<RunEnd> {
  let end: RunEnd | undefined;
  let broken: unknown;
  const ended = handle.result().then(
    (result) => (end = { kind: 'result', result: result as RunResult }),
    (error: unknown) => {
      if (error instanceof WorkflowFailedError) end = { kind: 'failure', reason: error.cause?.message ?? error.message };
      else broken = error;
    },
  );
  while (end === undefined) {
    if (broken !== undefined) throw broken;
    onProgress(await look(client, handle));
    await Promise.race([ended, delay(lookEveryMs)]);
  }
  return end;
}

async function look(client: Client, handle: WorkflowHandle): Promise<RunWatch> {
  try {
    return await client.withDeadline(Date.now() + answerWithinMs, async () => {
      const progress = await handle.query(progressQuery);
      return { kind: 'progress' as const, progress, ...(await details(client, handle, progress)) };
    });
  } catch {
    return { kind: 'noWorker' };
  }
}

async function details(client: Client, handle: WorkflowHandle, { run, version }: RunProgress) {
  const model = handle.workflowId.slice('retrain:'.length, -`:${run}`.length);
  const { raw } = await handle.describe();
  const tuning = (raw.pendingChildren ?? []).some((child) => child.workflowId === workflowIds.tune(model, run));
  const child = tuning ? (await client.workflow.getHandle(workflowIds.tune(model, run)).describe()).raw : undefined;
  const work = [...(raw.pendingActivities ?? []), ...(child?.pendingActivities ?? [])].map((pending): PendingWork => {
    const beat = pending.heartbeatDetails?.payloads?.[0];
    return {
      activity: pending.activityType?.name ?? 'unknown',
      attempt: pending.attempt ?? 1,
      beat: beat === undefined ? null : defaultPayloadConverter.fromPayload(beat),
      lastFailure: pending.lastFailure?.message ?? null,
    };
  });
  return { work, rollout: version === null ? null : await rolloutOf(client, workflowIds.rollout(model, version)) };
}

async function rolloutOf(client: Client, workflowId: string): Promise<RolloutStatus | null> {
  try {
    return await client.workflow.getHandle(workflowId).query(rolloutStatusQuery);
  } catch {
    return null;
  }
}

async function exists(handle: WorkflowHandle): Promise<boolean> {
  try {
    await handle.describe();
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
