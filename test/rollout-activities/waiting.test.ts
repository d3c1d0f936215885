import { getEventListeners } from 'node:events';
import { Context } from '@temporalio/activity';
import { Client, Connection, WorkflowFailedError } from '@temporalio/client';
import { expect, test, vi } from 'vitest';
import { awaitResult } from '../../activities/await-result.js';
import { heartbeating } from '../../activities/heartbeating.js';
import { freshNamespace } from '../support/temporal.js';
import { activityRun } from './activity-run.js';

const abortListeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

test('whoever waits in steps leaves no listener behind', async () => {
  const { environment, run } = activityRun();
  const waits = await run(
    (count: number) =>
      heartbeating(async ({ sleep, signal }) => {
        const before = abortListeners(signal);
        const reactions = vi.spyOn(Context.current().cancelled, 'then');
        for (let i = 0; i < count; i++) await sleep(1);
        return { left: abortListeners(signal) - before, reactions: reactions.mock.calls.length };
      }),
    20,
  );
  // The one that ends the activity itself when it is cancelled.
  expect(waits).toEqual({ left: 0, reactions: 1 });

  const cancelled = run(() => heartbeating(({ sleep }) => sleep(3_600_000)), null);
  environment.cancel();
  await expect(cancelled).rejects.toMatchObject({ name: 'CancelledFailure' });
});

test('a result is waited for through many polls, with few listeners at a signal and none left at the activity', async () => {
  const { address, namespace } = await freshNamespace();
  const connection = await Connection.connect({ address });
  const signals: AbortSignal[] = [];
  const client = new Client({ connection, namespace });
  // No worker takes it: it runs until somebody ends it.
  const handle = await client.workflow.start('nobody', { taskQueue: 'nobody', workflowId: 'endless' });
  const seen: Parameters<typeof awaitResult>[0] = {
    workflow: client.workflow,
    withAbortSignal: (signal, work) => {
      signals.push(signal);
      return client.withAbortSignal(signal, work);
    },
  };
  const activity = new AbortController();
  const wait = (workflowId: string) => awaitResult(seen, { workflowId, signal: activity.signal, newSignalAfterMs: 20 });
  const waiting = wait('endless');
  waiting.catch(() => undefined);
  await vi.waitUntil(() => signals.length > 12, { timeout: 20_000 });
  expect(new Set(signals).size).toBe(signals.length);
  expect(Math.max(...signals.map(abortListeners))).toBeLessThan(11);
  expect(abortListeners(activity.signal)).toBe(1);
  await handle.terminate('told to');
  await expect(waiting).rejects.toThrow(WorkflowFailedError);
  expect(abortListeners(activity.signal)).toBe(0);

  await expect(wait('nowhere')).rejects.toMatchObject({ name: 'WorkflowNotFoundError' });
  await client.workflow.start('nobody', { taskQueue: 'nobody', workflowId: 'cancelled' });
  const abandoned = wait('cancelled');
  abandoned.catch(() => undefined);
  activity.abort();
  await expect(abandoned).rejects.toThrow();
  await connection.close();
});
