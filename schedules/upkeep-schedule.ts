import {
  ScheduleAlreadyRunning,
  type ScheduleClient,
  type ScheduleOptions,
  type ScheduleOptionsStartWorkflowAction,
} from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import { digestOf } from '../contracts/digest.js';
import { taskQueues } from '../contracts/task-queues.js';

/** The schedule of the platform itself. It begins otherwise than those of models, which are removed with their definition. */
export const upkeepScheduleId = 'upkeep';

const wanted = {
  // Off the full hour, when models' schedules start.
  cron: '23 * * * *',
  catchUpWindowMs: 3_600_000,
  note: 'Each hour: merges old latency sketches, removes old captures',
} as const;
const digest = digestOf(wanted);

const schedule: ScheduleOptions<ScheduleOptionsStartWorkflowAction<Workflow>> = {
  scheduleId: upkeepScheduleId,
  spec: { cronExpressions: [wanted.cron], timezone: 'UTC' },
  // One that failed says so in its history; the next hour does what it left.
  policies: { overlap: 'SKIP', catchupWindow: wanted.catchUpWindowMs, pauseOnFailure: false },
  action: {
    type: 'startWorkflow',
    workflowType: 'upkeep',
    workflowId: 'upkeep',
    taskQueue: taskQueues.lifecycle,
    args: [],
    memo: { digest },
  },
  state: { paused: false, note: wanted.note },
};

/** Makes the hourly upkeep, or what it was changed to; any number may do it at once. The pause of a person stays. */
export async function ensureUpkeepSchedule(client: ScheduleClient): Promise<'created' | 'changed' | 'unchanged'> {
  try {
    await client.create(schedule);
    return 'created';
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
  }
  const handle = client.getHandle(upkeepScheduleId);
  if ((await handle.describe()).action.memo?.['digest'] === digest) return 'unchanged';
  const { spec, action, policies } = schedule;
  // Pure: the SDK calls it again when somebody else changed the schedule meanwhile.
  await handle.update(({ state }) => ({ spec, action, policies: policies ?? {}, state }));
  return 'changed';
}
