import { type ChildWorkflowHandle, ParentClosePolicy, startChild } from '@temporalio/workflow';
import type { RetrainInput } from '../contracts/retrain.js';
import type { RolloutInput } from '../contracts/rollout.js';
import { workflowIds } from '../contracts/ids.js';
import { searchAttributes } from '../contracts/search-attributes.js';
import { taskQueues } from '../contracts/task-queues.js';
import type { retrain } from './retrain.workflow.js';
import type { rollout } from './rollout.workflow.js';

// Both outlive the lifecycle's continue-as-new, which kills children under the default close policy.

/** Starts a run. Throws when one of that name was started before. */
export async function startRun(input: RetrainInput): Promise<ChildWorkflowHandle<typeof retrain>> {
  return await startChild<typeof retrain>('retrain', {
    workflowId: workflowIds.retrain(input.model, input.run),
    taskQueue: taskQueues.lifecycle,
    parentClosePolicy: ParentClosePolicy.ABANDON,
    typedSearchAttributes: [
      { key: searchAttributes.model, value: input.model },
      { key: searchAttributes.trigger, value: input.trigger },
      { key: searchAttributes.stage, value: 'begin' },
    ],
    args: [input],
  });
}

/** Starts a rollout. Throws when one of that version is still running. */
export async function startRollout(input: RolloutInput): Promise<ChildWorkflowHandle<typeof rollout>> {
  return await startChild<typeof rollout>('rollout', {
    workflowId: workflowIds.rollout(input.model, input.version),
    taskQueue: taskQueues.lifecycle,
    parentClosePolicy: ParentClosePolicy.ABANDON,
    typedSearchAttributes: [
      { key: searchAttributes.model, value: input.model },
      { key: searchAttributes.modelVersion, value: input.version },
      { key: searchAttributes.stage, value: 'begin' },
    ],
    args: [input],
  });
}
