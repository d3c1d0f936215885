import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger, type LogEntry } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { createUpkeepActivities, type UpkeepDependencies } from '../../activities/upkeep.activities.js';
import demandForecast from '../../models/demand-forecast.js';
import { activityRun } from './activity-run.js';

const dayMs = 86_400_000;
const nowMs = 1_000 * dayMs;

/** Stores that are asked, with nothing in them. */
function asked(change: Partial<UpkeepDependencies['captures']> = {}) {
  const calls: [string, ...unknown[]][] = [];
  const counting =
    (name: string, portions: number[] = []) =>
    async (...args: unknown[]): Promise<number> => {
      calls.push([name, ...args]);
      return portions.shift() ?? 0;
    };
  const activities = createUpkeepActivities({
    latencies: {
      async rollUp(input) {
        calls.push(['rollUp', input]);
        return { merged: 0, made: 0 };
      },
      forgetBefore: counting('forgetSketches'),
    },
    captures: {
      models: async () => ['demand-forecast', 'unknown'],
      neededFromMs: async () => null,
      forgetCaptures: counting('captures', [5_000, 7]),
      forgetLabels: counting('labels'),
      ...change,
    },
    files: { removeBefore: counting('files') },
    definitions: async () => [demandForecast],
    nowMs: () => nowMs,
  });
  return { calls, activities };
}

test('sketches are merged after two days and two weeks, and forgotten after 400 days', async () => {
  const { calls, activities } = asked();
  await activityRun().environment.run(() => activities.rollUpLatencies());
  expect(calls).toEqual([
    ['rollUp', { into: 'hour', openedBeforeMs: nowMs - 2 * dayMs }],
    ['rollUp', { into: 'day', openedBeforeMs: nowMs - 14 * dayMs }],
    ['forgetSketches', nowMs - 400 * dayMs],
  ]);
});

test('captures go by portions until none is left, those of a model that nobody defines by the usual retention', async () => {
  const { calls, activities } = asked();
  const reports = await activityRun().environment.run(() => activities.forgetCaptures());
  const beforeMs = nowMs - 90 * dayMs;
  expect(calls).toEqual([
    ['captures', 'demand-forecast', beforeMs],
    ['captures', 'demand-forecast', beforeMs],
    ['captures', 'demand-forecast', beforeMs],
    ['labels', 'demand-forecast', beforeMs],
    ['captures', 'unknown', beforeMs],
    ['labels', 'unknown', beforeMs],
  ]);
  expect(reports).toEqual([{ model: 'demand-forecast', retentionDays: 90, captures: 5_007, labels: 0 }]);
});

test('nothing goes that a running rollout may look back at', async () => {
  const begunMs = nowMs - 120 * dayMs;
  const { calls, activities } = asked({ neededFromMs: async (model) => (model === 'unknown' ? null : begunMs) });
  await activityRun().environment.run(() => activities.forgetCaptures());
  await activityRun().environment.run(() => activities.removeCaptureFiles());
  for (const [name, model, beforeMs] of calls)
    expect([name, model, beforeMs]).toEqual([name, model, model === 'unknown' ? nowMs - 90 * dayMs : begunMs]);
  expect(calls.at(-1)).toEqual(['files', 'demand-forecast', begunMs]);
});

test('its counts are its heartbeats, and what went is in the log', async () => {
  const { activities } = asked();
  const entries: LogEntry[] = [];
  const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('INFO', (entry) => entries.push(entry)) });
  const beats: unknown[] = [];
  environment.on('heartbeat', (beat) => beats.push(beat));
  await environment.run(() => activities.forgetCaptures());
  const counts = { model: 'demand-forecast', retentionDays: 90, captures: 5_007, labels: 0 };
  expect(beats).toContainEqual(counts);
  expect(entries.map(({ message, meta }) => ({ message, meta }))).toEqual([
    { message: 'old captures removed', meta: expect.objectContaining(counts) as unknown },
  ]);
});
