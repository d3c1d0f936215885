import type { ScheduleOptions, ScheduleOptionsStartWorkflowAction, ScheduleOverlapPolicy } from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import { digestOf } from '../contracts/digest.js';
import { scheduleId, workflowIds } from '../contracts/ids.js';
import { searchAttributes } from '../contracts/search-attributes.js';
import { taskQueues } from '../contracts/task-queues.js';
import type { TriggerInput } from '../contracts/trigger.js';
import type { ClockRef } from '../domain/clock.js';
import { type ModelDefinition, type ScheduleDefinition, schedulesIn } from '../domain/model-definition.js';

/** What a schedule of ours is to be; plain data, equal when nothing changed. */
export type WantedSchedule = {
  readonly id: string;
  readonly model: string;
  readonly schedule: ScheduleDefinition;
  readonly clock: ClockRef;
  /** Of everything above: by it a schedule that is as wanted is left alone. */
  readonly digest: string;
};

export type TriggerSchedule = ScheduleOptions<ScheduleOptionsStartWorkflowAction<Workflow>>;

/** Schedule ids of ours begin so; others in the namespace are left alone. */
export const schedulePrefix = 'schedule:';
/** What a paused schedule of a model on a driven clock says. */
export const drivenNote = 'Paused: the model runs on a driven clock; its slots are fired by backfill with their own as-of times.';

const overlaps: Readonly<Record<ScheduleDefinition['overlap'], ScheduleOverlapPolicy>> = {
  skip: 'SKIP',
  bufferOne: 'BUFFER_ONE',
  allowAll: 'ALLOW_ALL',
};

/** The schedules that a definition asks for. */
export function schedulesOf(definition: ModelDefinition, clock: ClockRef): WantedSchedule[] {
  return schedulesIn(definition).map((schedule) => {
    const wanted = { id: scheduleId(definition.name, schedule.name), model: definition.name, schedule, clock };
    return { ...wanted, digest: digestOf(wanted) };
  });
}

/** A schedule as Temporal takes it: cron in UTC, and every policy said aloud (the defaults catch up for a year). */
export function temporalSchedule({ id, model, schedule, clock, digest }: WantedSchedule): TriggerSchedule {
  const { name, cron, overlap, catchUpWindowMs, note } = schedule;
  const input: TriggerInput = {
    model,
    clock,
    trigger: 'schedule',
    reason: `schedule ${name} (${cron} UTC)`,
    by: `schedule ${name}`,
    catchUpWindowMs,
  };
  return {
    scheduleId: id,
    spec: { cronExpressions: [cron], timezone: 'UTC' },
    policies: { overlap: overlaps[overlap], catchupWindow: catchUpWindowMs, pauseOnFailure: true },
    action: {
      type: 'startWorkflow',
      workflowType: 'trigger',
      // The server adds the slot: `trigger:<model>:<name>-2011-11-01T02:00:00Z`.
      workflowId: workflowIds.trigger(model, name),
      taskQueue: taskQueues.lifecycle,
      args: [input],
      memo: { digest, cron },
      typedSearchAttributes: [
        { key: searchAttributes.model, value: model },
        { key: searchAttributes.trigger, value: 'schedule' },
      ],
    },
    state: clock.kind === 'driven' ? { paused: true, note: drivenNote } : { paused: false, note: note ?? `${cron} UTC` },
  };
}
