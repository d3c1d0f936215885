import { defineSearchAttributeKey } from '@temporalio/common';
import { workflowInfo } from '@temporalio/workflow';
import type { TriggerInput, TriggerResult } from '../contracts/trigger.js';
import { temporal, watches } from './activity-proxies.js';

/** Set by the server on what a schedule starts, backfilled slots included. */
const scheduledStartTime = defineSearchAttributeKey('TemporalScheduledStartTime', 'DATETIME');

/**
 * What a schedule starts. It asks the model's lifecycle for a run as of its own slot and stays open until that run has
 * ended, so that the schedule's overlap policy and pause-on-failure mean something.
 */
export async function trigger(input: TriggerInput): Promise<TriggerResult> {
  const { workflowId, typedSearchAttributes, runStartTime } = workflowInfo();
  const slot = typedSearchAttributes.get(scheduledStartTime)?.getTime();
  const asOf = input.asOfMs ?? slot;
  const answer = await temporal.requestRetrain({
    model: input.model,
    clock: input.clock,
    request: {
      reason: input.reason,
      by: input.by,
      trigger: kindOf(input, slot, runStartTime),
      requestId: workflowId,
      ...(asOf === undefined ? {} : { asOf }),
    },
  });
  if (answer.kind === 'refused') return { run: null, outcome: 'skipped', reason: answer.reason };
  const ended = await watches.awaitRun({ workflowId: answer.workflowId });
  return { run: answer.run, ...ended };
}

/** The catch-up window bounds how late a schedule starts its slot; an older one was asked for by a person. */
function kindOf({ trigger, catchUpWindowMs }: TriggerInput, slotMs: number | undefined, startedAt: Date): TriggerInput['trigger'] {
  const aMinuteMs = 60_000;
  const late = slotMs !== undefined && catchUpWindowMs !== undefined && startedAt.getTime() - slotMs > catchUpWindowMs + aMinuteMs;
  return trigger === 'schedule' && late ? 'backfill' : trigger;
}
