import { Context } from '@temporalio/activity';

/**
 * The same key for every attempt of one activity, so that a retry finds what an earlier attempt wrote; null outside an
 * activity. A new call of the same activity has another key.
 */
export function callKey(): string | null {
  if (!insideActivity()) return null;
  const { workflowExecution, activityId } = Context.current().info;
  return workflowExecution === undefined ? null : `${workflowExecution.workflowId}/${workflowExecution.runId}/${activityId}`;
}

function insideActivity(): boolean {
  try {
    return Context.current() !== undefined;
  } catch {
    return false;
  }
}
