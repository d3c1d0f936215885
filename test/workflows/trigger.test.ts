import { describe, expect, test } from 'vitest';
import { ScheduleOverlapPolicy } from '@temporalio/client';
import { retrainUpdate } from '../../contracts/lifecycle.js';
import { lifecycleStart } from '../../contracts/lifecycle-start.js';
import { taskQueues } from '../../contracts/task-queues.js';
import type { TriggerInput, TriggerResult } from '../../contracts/trigger.js';
import type { trigger } from '../../workflows/index.js';
import { createTemporalActivities } from '../../activities/temporal.activities.js';
import { hourMs, nothingYet } from './fake-activities.js';
import { until } from './waiting.js';
import { devServerStage } from './world.js';

const stage = devServerStage();
const input = (model: string): TriggerInput => ({
  model,
  clock: { kind: 'live' },
  trigger: 'schedule',
  reason: 'daily at 02:00 UTC',
  by: 'schedule',
});

describe('a trigger', () => {
  test('of a backfilled slot asks as of that slot, and stays open until its run has ended', async () => {
    const { client } = stage.environment;
    const world = stage.use({
      // The real ones: an update with start, and a wait for the run's own result.
      requestRetrain: async (request) => createTemporalActivities({ client }).requestRetrain(request),
      awaitRun: async (run) => createTemporalActivities({ client }).awaitRun(run),
      trainModel: async () => {
        throw nothingYet();
      },
    });
    const slot = Date.UTC(2011, 10, 1, 2);
    const schedule = await client.schedule.create({
      scheduleId: `schedule:${world.model}:daily`,
      spec: { calendars: [{ hour: 2, minute: 0 }] },
      action: {
        type: 'startWorkflow',
        workflowType: 'trigger',
        workflowId: `trigger:${world.model}:daily`,
        taskQueue: taskQueues.lifecycle,
        args: [input(world.model)],
      },
      policies: { overlap: ScheduleOverlapPolicy.SKIP },
      state: { paused: true, note: 'slots are fired by backfill' },
    });
    await schedule.backfill({ start: new Date(slot - hourMs), end: new Date(slot + hourMs), overlap: ScheduleOverlapPolicy.ALLOW_ALL });
    await until(async () => world.callsOf('beginRun').length === 1);
    expect(world.callsOf('beginRun')).toMatchObject([{ asOfMs: slot, trigger: 'schedule', requestedBy: 'schedule' }]);
    expect(world.callsOf('requestRetrain')).toMatchObject([{ request: { asOf: slot, requestId: expect.stringContaining(world.model) } }]);

    const [action] = (await schedule.describe()).info.recentActions;
    if (action?.action.type !== 'startWorkflow') throw new Error('the schedule started nothing');
    const started = client.workflow.getHandle<typeof trigger>(action.action.workflow.workflowId);
    expect(started.workflowId).toContain(`trigger:${world.model}:daily`);
    await until(async () => world.callsOf('awaitRun').length > 0);
    expect((await started.describe()).status.name).toBe('RUNNING');

    const run = client.workflow.getHandle((world.callsOf('awaitRun')[0] as { workflowId: string }).workflowId);
    await run.cancel();
    const result: TriggerResult = await started.result();
    expect(result).toMatchObject({ run: '2011-11-01t02-1', outcome: 'failed' });
    expect((await run.describe()).status.name).not.toBe('RUNNING');
    await schedule.delete();
  });

  test('that is refused is a skipped run, with the reason', async () => {
    const world = stage.use({ requestRetrain: async () => ({ kind: 'refused', reason: 'the cool-down is 20 hours' }) });
    const result = await stage.environment.client.workflow.execute<typeof trigger>('trigger', {
      workflowId: `trigger:${world.model}:x`,
      taskQueue: taskQueues.lifecycle,
      args: [{ ...input(world.model), asOfMs: 1 }],
    });
    expect(result).toEqual({ run: null, outcome: 'skipped', reason: 'the cool-down is 20 hours' });
    expect(world.callsOf('awaitRun')).toHaveLength(0);
  });

  test('takes the as-of time that it was given before its own slot', async () => {
    const world = stage.use({
      requestRetrain: async () => ({ kind: 'duplicate', run: 'r-1', workflowId: 'retrain:elsewhere:r-1' }),
      awaitRun: async () => ({ outcome: 'gateRefused', reason: 'mape 21%' }),
    });
    const result = await stage.environment.client.workflow.execute<typeof trigger>('trigger', {
      workflowId: `trigger:${world.model}:y`,
      taskQueue: taskQueues.lifecycle,
      args: [{ ...input(world.model), asOfMs: 12_345 }],
    });
    expect(world.callsOf('requestRetrain')).toMatchObject([{ request: { asOf: 12_345 } }]);
    expect(result).toEqual({ run: 'r-1', outcome: 'gateRefused', reason: 'mape 21%' });
  });

  test('starts the lifecycle of a model that has none', async () => {
    const world = stage.use({
      trainModel: async () => {
        throw nothingYet();
      },
    });
    const answer = await stage.environment.client.workflow.executeUpdateWithStart(retrainUpdate, {
      args: [{ by: 'ann', reason: 'first' }],
      startWorkflowOperation: lifecycleStart({ model: world.model, clock: { kind: 'live' } }),
    });
    expect(answer.kind).toBe('started');
  });
});
