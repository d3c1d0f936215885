import { WithStartWorkflowOperation } from '@temporalio/client';
import { workflowIds } from './ids.js';
import type { LifecycleInput } from './lifecycle.js';
import { searchAttributes } from './search-attributes.js';
import { taskQueues } from './task-queues.js';

/** Starts `model:<name>` unless it runs already; goes with every update to it. */
export function lifecycleStart(input: LifecycleInput) {
  return new WithStartWorkflowOperation('modelLifecycle', {
    workflowId: workflowIds.model(input.model),
    taskQueue: taskQueues.lifecycle,
    workflowIdConflictPolicy: 'USE_EXISTING',
    typedSearchAttributes: [
      { key: searchAttributes.model, value: input.model },
      { key: searchAttributes.stage, value: 'lifecycle' },
    ],
    args: [input],
  });
}
