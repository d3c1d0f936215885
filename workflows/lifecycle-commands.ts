import { ActivityFailure, ApplicationFailure, getExternalWorkflowHandle, uuid4 } from '@temporalio/workflow';
import type { PauseRequest, RollbackRequest } from '../contracts/lifecycle.js';
import type { CommandAnswer } from '../contracts/rollout.js';
import { promptly } from './activity-proxies.js';
import { wallNow } from './clock.js';
import type { MutableState } from './lifecycle-state.js';

/**
 * Takes traffic back at once, never queued behind a run: from a running rollout to the champion, else from the champion
 * to the version before it.
 */
export async function rollBack(model: string, state: MutableState, { by, reason, requestId }: RollbackRequest): Promise<CommandAnswer> {
  const running = state.rollout;
  if (running !== null) {
    const { version, champion, promotionId } = running;
    try {
      await promptly.takeBack({ model, version, champion, promotionId, reason, by, investigate: true });
      if (state.rollout?.promotionId === promotionId) state.rollout = { ...state.rollout, takenBack: `taken back by ${by}: ${reason}` };
      await getExternalWorkflowHandle(running.workflowId).cancel();
      return {
        accepted: true,
        message: `${version} has no traffic any more; ${champion ?? 'nothing'} serves all of it, and the rollout ends`,
      };
    } catch (error) {
      // It was promoted in the same moment: then it is the champion that has to go.
      if (!(error instanceof ActivityFailure && error.cause instanceof ApplicationFailure && error.cause.type === 'Conflict')) throw error;
    }
  }
  const { from, to } = await promptly.rollback({ model, by, reason, requestId: requestId ?? uuid4() });
  return { accepted: true, message: `${to} serves all traffic again; ${from} was taken back and is under investigation` };
}

/** Stops or lets go the triggers; runs and rollouts that are under way go on. */
export async function setPaused(model: string, state: MutableState, request: PauseRequest & { paused: boolean }): Promise<CommandAnswer> {
  const { by, reason } = request;
  const paused = request.paused ? { by, reason, atMs: wallNow() } : null;
  if ((state.paused === null) === (paused === null))
    return { accepted: false, reason: request.paused ? 'it is paused already' : 'it is not paused' };
  await promptly.setPaused({ model, paused, by, reason });
  state.paused = paused;
  return { accepted: true, message: request.paused ? 'no trigger starts a run until it is resumed' : 'triggers start runs again' };
}
