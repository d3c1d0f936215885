import { cancelled, cancellationSignal, heartbeat } from '@temporalio/activity';
import { type Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import type { TemporalActivities } from '../contracts/activities.js';
import { retrainUpdate } from '../contracts/lifecycle.js';
import { lifecycleStart } from '../contracts/lifecycle-start.js';
import type { RunResult } from '../contracts/retrain.js';
import type { RolloutResult } from '../contracts/rollout.js';
import { awaitResult } from './await-result.js';

/** What workflows need of Temporal itself: to ask another workflow by update, and to wait for one that is not a child. */
export function createTemporalActivities({ client }: { client: Client }): TemporalActivities {
  return {
    async requestRetrain({ model, clock, request }) {
      return await client.workflow.executeUpdateWithStart(retrainUpdate, {
        args: [request],
        startWorkflowOperation: lifecycleStart({ model, clock }),
      });
    },

    async awaitRun({ workflowId }) {
      const beats = setInterval(() => heartbeat(), 1_000);
      try {
        const result = (await Promise.race([awaitResult(client, { workflowId, signal: cancellationSignal() }), cancelled()])) as RunResult;
        return { outcome: result.outcome, reason: result.reason };
      } catch (error) {
        if (error instanceof WorkflowFailedError) return { outcome: 'failed' as const, reason: error.cause?.message ?? error.message };
        throw error;
      } finally {
        clearInterval(beats);
      }
    },

    async describeRun({ workflowId }) {
      const handle = client.workflow.getHandle(workflowId);
      try {
        const { status } = await handle.describe();
        if (status.name === 'RUNNING') return { status: 'running' as const };
        if (status.name === 'COMPLETED')
          return { status: 'completed' as const, result: (await handle.result()) as RunResult | RolloutResult };
        return { status: 'failed' as const };
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return { status: 'absent' as const };
        throw error;
      }
    },
  };
}
