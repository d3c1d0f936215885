import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Capture } from '../../activities/ports.js';
import { createRolloutActivities } from '../../activities/rollout.activities.js';
import { createCaptureStore } from '../../adapters/postgres/serving/capture-store.js';
import { advanceDrivenClock, createClock, createDrivenClock } from '../../adapters/postgres/serving/clocks.js';
import { createMeasurement } from '../../adapters/postgres/serving/measurement.js';
import { newestRollout, rolloutTable } from '../../adapters/postgres/serving/rollout-queries.js';
import { capture, hour, limits, liveModel, plan, rolloutOf, servingWorld } from '../serving-state/world.js';
import { activityRun } from './activity-run.js';

const world = servingWorld();
const start = Date.UTC(2011, 10, 1);
const step = plan.steps[0]!;

/** A canary at 5% on a driven clock that stands at `start`, and the hands that drive it. */
async function drivenCanary(interval = { live: 10, driven: 10 }) {
  const db = world.db();
  const model = await liveModel(db, '1.0.1');
  const store = world.store();
  const input = { ...rolloutOf({ model, version: '1.0.1', champion: '1.0.0' }), clock: { kind: 'driven', name: model } as const };
  await store.begin(input);
  await store.applyRoute({
    model,
    promotionId: input.promotionId,
    stepIndex: 0,
    champion: '1.0.0',
    challenger: '1.0.1',
    share: 0.05,
    shadow: false,
  });
  await createDrivenClock(db, { name: model, nowMs: start });
  const activities = createRolloutActivities({
    store,
    measurement: createMeasurement(db),
    clock: createClock(db),
    lookIntervalMs: interval,
    objects: { get: () => Promise.reject(new Error('no object is read here')) },
    verifyPackage: () => Promise.reject(new Error('nothing is promoted here')),
  });
  const captures = createCaptureStore(db);
  const { environment, run } = activityRun();
  const heartbeats: { outcome: string; nowMs: number; checks: { check: string; outcome: string }[] }[] = [];
  environment.on('heartbeat', (details) => details !== null && heartbeats.push(details));
  let now = start;
  return {
    model,
    input,
    store,
    captures,
    environment,
    heartbeats,
    watch: (until: 'breach' | 'verdict', deadlineMs = start + 48 * hour) =>
      run(activities.watchStep, {
        model,
        promotionId: input.promotionId,
        stepIndex: 0,
        step,
        limits,
        champion: '1.0.0',
        challenger: '1.0.1',
        clock: input.clock,
        rolloutStartMs: start,
        stepStartMs: start,
        deadlineMs,
        until,
      }),
    /** Both versions answer for each of the hours, `count` times each. */
    serve: (
      hours: number[],
      { count = 30, champion = {}, challenger = {} }: { count?: number; champion?: Partial<Capture>; challenger?: Partial<Capture> } = {},
    ) =>
      captures.write(
        hours.flatMap((h) =>
          Array.from({ length: count }, () => [
            capture({ model, version: '1.0.0', subject: `hour ${h}`, eventTimeMs: start + h * hour, predicted: 100, ...champion }),
            capture({ model, version: '1.0.1', subject: `hour ${h}`, eventTimeMs: start + h * hour, predicted: 100, ...challenger }),
          ]).flat(),
        ),
      ),
    label: (hours: number[], value = (h: number) => 100 + h) =>
      captures.label(
        model,
        hours.map((h) => ({ subject: `hour ${h}`, value: value(h) })),
      ),
    async advance(hours: number) {
      await advanceDrivenClock(db, { name: model, fromMs: now, toMs: now + hours * hour });
      now += hours * hour;
    },
  };
}

const outcomeOf = (evidence: { verdict: { checks: readonly { check: string; outcome: string }[] } }, check: string) =>
  evidence.verdict.checks.find((result) => result.check === check)?.outcome;

test('a challenger that fails is seen in the hour that is being fed, while the clock stands', async () => {
  const canary = await drivenCanary();
  const watching = canary.watch('breach');
  await canary.serve([0], { count: 60 });
  // Of the challenger alone: a look reads one version after the other, and what comes between is in one of them only.
  const failing = {
    model: canary.model,
    version: '1.0.1',
    subject: 'hour 0',
    eventTimeMs: start,
    predicted: null,
    error: 'InferenceFailed',
  };
  await canary.captures.write(Array.from({ length: 30 }, () => capture(failing)));
  const evidence = await watching;
  expect(evidence.verdict.outcome).toBe('fail');
  expect(outcomeOf(evidence, 'errorRate')).toBe('failed');
  expect(evidence).toMatchObject({
    challenger: { requests: 90, errors: 30 },
    champion: { requests: 60, errors: 0 },
    fromMs: start,
    toMs: start,
  });
  const table = await rolloutTable(world.db(), canary.input.promotionId);
  expect(table).toMatchObject({ status: 'running', steps: [{ stepIndex: 0, decided: false, evidence: { verdict: { outcome: 'fail' } } }] });
  expect(canary.heartbeats.at(-1)).toMatchObject({ outcome: 'fail', nowMs: start });
});

test('a challenger that answers late is seen', async () => {
  const canary = await drivenCanary();
  await canary.serve([0, 1], { count: 100, challenger: { latencyMs: 500 } });
  await canary.advance(1);
  const evidence = await canary.watch('breach');
  expect(outcomeOf(evidence, 'latency')).toBe('failed');
});

test('a challenger that predicts badly fails when the labels show it, and not before', async () => {
  const canary = await drivenCanary();
  const hours = Array.from({ length: 24 }, (_, h) => h);
  await canary.serve(hours, { challenger: { predicted: 250 } });
  await canary.advance(24);
  const watching = canary.watch('verdict');
  while (!canary.heartbeats.some(({ checks }) => checks.some(({ check, outcome }) => check === 'quality' && outcome === 'hold')))
    await setTimeout(10);
  await canary.label(hours);
  const evidence = await watching;
  expect(evidence.verdict.outcome).toBe('fail');
  expect(outcomeOf(evidence, 'quality')).toBe('failed');
  expect(evidence.pairs).toBe(24);
  expect(evidence.challengerError).toBeGreaterThan(evidence.championError!);
  expect(canary.heartbeats.some(({ checks }) => checks.some(({ check, outcome }) => check === 'quality' && outcome === 'failed'))).toBe(
    true,
  );
});

test('a step holds until the labels are there, and passes then', async () => {
  const canary = await drivenCanary();
  const hours = [0, 1, 2, 3, 4, 5];
  await canary.serve(hours);
  let over = false;
  const watching = canary.watch('verdict').then((evidence) => {
    over = true;
    return evidence;
  });
  await canary.advance(6);
  while (!canary.heartbeats.some(({ nowMs }) => nowMs === start + 6 * hour)) await setTimeout(10);
  expect(over).toBe(false);
  expect(canary.heartbeats.at(-1)).toMatchObject({ outcome: 'hold' });
  await canary.label(hours, (h) => 101 + h);
  const evidence = await watching;
  expect(evidence.verdict.outcome).toBe('pass');
  expect(evidence.pairs).toBe(6);
  expect(evidence.championError).toBeCloseTo(evidence.challengerError!, 12);
});

test('a step that still holds at its deadline ends with the holding verdict', async () => {
  const canary = await drivenCanary();
  const watching = canary.watch('verdict', start + 2 * hour);
  await canary.advance(1);
  await canary.advance(1);
  const evidence = await watching;
  expect(evidence.verdict.outcome).toBe('hold');
  expect(outcomeOf(evidence, 'requests')).toBe('hold');
  expect(evidence).toMatchObject({ toMs: start + 2 * hour, challenger: { requests: 0, p95Ms: null }, pairs: 0, championError: null });
});

test('NaN never passes', async () => {
  const canary = await drivenCanary();
  const hours = [0, 1, 2, 3, 4, 5];
  await canary.serve(hours);
  await canary.serve([5], { challenger: { predicted: NaN } });
  await canary.label(hours);
  await canary.advance(6);
  const watching = canary.watch('verdict', start + 7 * hour);
  await canary.advance(1);
  const evidence = await watching;
  expect(evidence.verdict.outcome).toBe('hold');
  expect(outcomeOf(evidence, 'quality')).toBe('hold');
});

test('a step that passes goes on being watched for a breach while its interval lasts', async () => {
  const canary = await drivenCanary();
  const hours = [0, 1, 2, 3, 4, 5];
  await canary.serve(hours);
  await canary.label(hours, (h) => 101 + h);
  await canary.advance(6);
  const watching = canary.watch('breach');
  while (!canary.heartbeats.some(({ outcome }) => outcome === 'pass')) await setTimeout(10);
  await canary.serve([6], { count: 60, challenger: { predicted: null, error: 'InferenceFailed' } });
  await canary.advance(1);
  expect((await watching).verdict.outcome).toBe('fail');
});

test('a cancelled watch ends at once, also between two looks that are far apart', async () => {
  const canary = await drivenCanary({ live: 3_600_000, driven: 3_600_000 });
  const watching = canary.watch('breach');
  const ended = expect(watching).rejects.toMatchObject({ name: 'CancelledFailure' });
  while (canary.heartbeats.length === 0) await setTimeout(10);
  canary.environment.cancel();
  await ended;
});

test('a rollback ends the watch of the rollout that it took back', async () => {
  const canary = await drivenCanary();
  const watching = canary.watch('breach');
  const ended = expect(watching).rejects.toMatchObject({ type: 'Conflict', message: expect.stringContaining('rolled back by bob') });
  while (canary.heartbeats.length === 0) await setTimeout(10);
  await canary.store.rollback({ model: canary.model, by: 'bob', reason: 'complaints', requestId: 'r' });
  await ended;
  expect(await newestRollout(world.db(), { model: canary.model })).toMatchObject({ version: '1.0.1', status: 'rolledBack' });
});

test('the record of a decided step is not replaced by a look at the same time, but by a newer one', async () => {
  const canary = await drivenCanary();
  const watching = canary.watch('verdict', start);
  const evidence = await watching;
  const { promotionId } = canary.input;
  const decided = async () => (await rolloutTable(world.db(), promotionId))?.steps[0];
  await canary.store.recordStep({ promotionId, stepIndex: 0, evidence });
  await canary.store.recordLook({ promotionId, stepIndex: 0, evidence });
  expect(await decided()).toMatchObject({ decided: true });
  await canary.store.recordLook({ promotionId, stepIndex: 0, evidence: { ...evidence, toMs: evidence.toMs + hour } });
  expect(await decided()).toMatchObject({ decided: false, evidence: { toMs: start + hour } });
  await canary.store.recordLook({ promotionId, stepIndex: 0, evidence });
  expect(await decided()).toMatchObject({ evidence: { toMs: start + hour } });
});
