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
  const { workflowId, typedSearchAttributes } = workflowInfo();
  const asOf = input.asOfMs ?? typedSearchAttributes.get(scheduledStartTime)?.getTime();
  const answer = await temporal.requestRetrain({
    model: input.model,
    clock: input.clock,
    request: { reason: input.reason, by: input.by, trigger: input.trigger, requestId: workflowId, ...(asOf === undefined ? {} : { asOf }) },
  });
  if (answer.kind === 'refused') return { run: null, outcome: 'skipped', reason: answer.reason };
  const ended = await watches.awaitRun({ workflowId: answer.workflowId });
  return { run: answer.run, ...ended };
}
