import { expect, test } from 'vitest';
import type { LatencyRow } from '../../activities/latency-ports.js';
import { createCaptureStore } from '../../adapters/postgres/serving/capture-store.js';
import { createLatencyStore } from '../../adapters/postgres/serving/latency-sketches.js';
import { createMeasurement } from '../../adapters/postgres/serving/measurement.js';
import { LatencySketch } from '../../domain/latency-sketch.js';
import { judgeStep } from '../../domain/rollout-judgement.js';
import { capture, freshModel, hour, limits, plan, servingWorld } from './world.js';

const world = servingWorld();
const minute = 60_000;
const stores = () => ({
  captures: createCaptureStore(world.db()),
  latencies: createLatencyStore(world.db()),
  measurement: createMeasurement(world.db()),
});

type Seen = { readonly latencyMs: number; readonly timeMs: number; readonly failed?: boolean };

/** What a gateway would store of these requests about one minute. */
function row(
  of: { model: string; gateway?: string; version?: string; shadow?: boolean; openedMs?: number },
  seen: readonly Seen[],
): LatencyRow {
  const sketch = new LatencySketch();
  for (const { latencyMs } of seen) sketch.add(latencyMs);
  const times = seen.map(({ timeMs }) => timeMs);
  return {
    gateway: 'gateway-1',
    version: '1.0.0',
    shadow: false,
    openedMs: 1_000,
    ...of,
    eventMinute: Math.floor(times[0]! / minute),
    firstMs: Math.min(...times),
    lastMs: Math.max(...times),
    requests: seen.length,
    errors: seen.filter(({ failed }) => failed === true).length,
    bins: sketch.bins().map(({ bin }) => bin),
    counts: sketch.bins().map(({ count }) => count),
  };
}

const within = (actual: number | null, expected: number) => {
  expect(actual).not.toBeNull();
  expect(Math.abs(actual! - expected) / expected).toBeLessThanOrEqual(0.011);
};

test('gateways are judged as one: counts add up and quantiles are those of all their requests', async () => {
  const { latencies, measurement } = stores();
  const model = freshModel();
  // 1 to 100 ms at each of three gateways, over an hour; the third is ten times slower.
  const seen = (gateway: number, part: number) =>
    Array.from({ length: 10 }, (_, index) => ({
      latencyMs: (gateway === 3 ? 10 : 1) * (part * 10 + index + 1),
      timeMs: hour + part * 5 * minute + index,
      failed: gateway === 2 && index === 0,
    }));
  const rows = [1, 2, 3].flatMap((gateway) =>
    Array.from({ length: 10 }, (_, part) => row({ model, gateway: `gateway-${gateway}` }, seen(gateway, part))),
  );
  await latencies.write(rows);
  const all = [1, 2, 3]
    .flatMap((gateway) => Array.from({ length: 10 }, (_, part) => seen(gateway, part)).flat())
    .map(({ latencyMs }) => latencyMs)
    .sort((a, b) => a - b);
  const measured = await measurement.variant({ model, version: '1.0.0', shadow: false, fromMs: hour, toMs: 2 * hour });
  expect(measured).toMatchObject({ requests: 300, errors: 10 });
  within(measured.p50Ms, all[149]!);
  within(measured.p95Ms, all[284]!);
  within(measured.p99Ms, all[296]!);
  expect(measured.p95LowerMs!).toBeLessThan(measured.p95Ms!);
  expect(measured.p95UpperMs!).toBeGreaterThan(measured.p95Ms!);
});

test('shadow answers, other versions, other models and other hours are apart', async () => {
  const { latencies, measurement } = stores();
  const [model, other] = [freshModel(), freshModel()];
  const at = (timeMs: number) => [{ latencyMs: 5, timeMs }];
  await latencies.write([
    row({ model }, at(hour)),
    row({ model, shadow: true }, at(hour)),
    row({ model, version: '1.0.1' }, at(hour)),
    row({ model: other }, at(hour)),
    row({ model }, at(hour - 1)),
    row({ model }, at(2 * hour)),
  ]);
  const window = { model, fromMs: hour, toMs: 2 * hour };
  expect(await measurement.variant({ ...window, version: '1.0.0', shadow: false })).toMatchObject({ requests: 1 });
  expect(await measurement.variant({ ...window, version: '1.0.0', shadow: true })).toMatchObject({ requests: 1 });
  expect(await measurement.variant({ ...window, version: '9.9.9', shadow: false })).toMatchObject({ requests: 0, p95Ms: null });
});

test('a row that is stored again, or late after a newer state of it, counts once', async () => {
  const { latencies, measurement } = stores();
  const model = freshModel();
  const young = row({ model }, [{ latencyMs: 5, timeMs: hour }]);
  const old = row({ model }, [
    { latencyMs: 5, timeMs: hour },
    { latencyMs: 7, timeMs: hour + 1 },
  ]);
  for (const state of [young, young, old, young]) await latencies.write([state]);
  const measured = await measurement.variant({ model, version: '1.0.0', shadow: false, fromMs: 0, toMs: 2 * hour });
  expect(measured).toMatchObject({ requests: 2 });
  within(measured.p99Ms, 7);
  // The same minute asked about anew, long after, is a row of its own.
  await latencies.write([row({ model, openedMs: 999_000 }, [{ latencyMs: 5, timeMs: hour }])]);
  expect(await measurement.variant({ model, version: '1.0.0', shadow: false, fromMs: 0, toMs: 2 * hour })).toMatchObject({ requests: 3 });
});

test('where sketches and captures tell of the same, it counts once; where only captures do, they count', async () => {
  const { captures, latencies, measurement } = stores();
  const model = freshModel();
  const of = (timeMs: number, latencyMs: number) => capture({ model, version: '1.0.0', eventTimeMs: timeMs, latencyMs });
  // Minute 1 is in both, and was sampled down to one capture of four; minute 3 is in captures alone.
  const first = Array.from({ length: 4 }, (_, index) => ({ latencyMs: 10, timeMs: hour + minute + index }));
  await latencies.write([row({ model }, first)]);
  await captures.write([of(hour + minute, 10), of(hour + 3 * minute, 20), of(hour + 3 * minute + 1, 30)]);
  const measured = await measurement.variant({ model, version: '1.0.0', shadow: false, fromMs: hour, toMs: 2 * hour });
  expect(measured).toMatchObject({ requests: 6, errors: 0 });
  within(measured.p50Ms, 10);
  within(measured.p99Ms, 29.5);
});

test("a minute that reaches beyond the window's end or beginning is counted from captures, to the millisecond", async () => {
  const { captures, latencies, measurement } = stores();
  const model = freshModel();
  const times = [0, 20_000, 40_000].map((offset) => hour + offset);
  await latencies.write([
    row(
      { model },
      times.map((timeMs) => ({ latencyMs: 10, timeMs })),
    ),
  ]);
  await captures.write(times.map((eventTimeMs) => capture({ model, version: '1.0.0', eventTimeMs, latencyMs: 10 })));
  const count = async (fromMs: number, toMs: number) =>
    (await measurement.variant({ model, version: '1.0.0', shadow: false, fromMs, toMs })).requests;
  expect(await count(hour, hour + 40_001)).toBe(3);
  expect(await count(hour, hour + 40_000)).toBe(2);
  expect(await count(hour + 1, hour + minute)).toBe(2);
  expect(await count(hour - minute, hour + 1)).toBe(1);
  expect(await count(hour + 1.5, hour + 40_000.5)).toBe(2);
});

test('the count that tells whether to look again grows with sketches too', async () => {
  const { captures, latencies, measurement } = stores();
  const model = freshModel();
  const counts = async () => (await measurement.counts({ model, version: '1.0.0', fromMs: hour, labelsFromMs: hour })).captures;
  expect(await counts()).toBe(0);
  await captures.write([capture({ model, version: '1.0.0', eventTimeMs: hour })]);
  const captured = await counts();
  await latencies.write([row({ model }, [{ latencyMs: 5, timeMs: hour }])]);
  expect(await counts()).toBeGreaterThan(captured);
});

test('a challenger that is slow at one gateway of three fails its step, although no capture was kept', async () => {
  const { latencies, measurement } = stores();
  const model = freshModel();
  const seen = (latencyMs: number) =>
    Array.from({ length: 40 }, (_, index) => ({ latencyMs: latencyMs + index / 10, timeMs: hour + index }));
  const at = (gateway: string, version: string, latencyMs: number) => row({ model, gateway, version }, seen(latencyMs));
  await latencies.write(['a', 'b', 'c'].map((gateway) => at(gateway, '1.0.0', 20)));
  const judge = async () => {
    const window = { model, shadow: false, fromMs: hour, toMs: hour + minute };
    const champion = await measurement.variant({ ...window, version: '1.0.0' });
    const challenger = await measurement.variant({ ...window, version: '1.0.1' });
    const measurements = { fromMs: hour, toMs: hour + minute, champion, challenger, pairs: [] };
    const verdict = judgeStep({ step: plan.steps[0]!, limits, measurements, elapsedMs: minute });
    return Object.fromEntries(verdict.checks.map(({ check, outcome }) => [check, outcome]));
  };
  await latencies.write([at('a', '1.0.1', 20), at('b', '1.0.1', 20)]);
  expect(await judge()).toMatchObject({ requests: 'passed', latency: 'passed', latencyRatio: 'passed' });
  // A third of all requests is beyond the limit of 200 ms: so is the P95, for sure.
  await latencies.write([at('c', '1.0.1', 500)]);
  expect(await judge()).toMatchObject({ latency: 'failed', latencyRatio: 'failed' });
});
