import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LatencyRow } from '../../activities/latency-ports.js';
import { createCaptureStore } from '../../adapters/postgres/serving/capture-store.js';
import { createLatencyStore } from '../../adapters/postgres/serving/latency-sketches.js';
import { createLatencyUpkeep } from '../../adapters/postgres/serving/latency-upkeep.js';
import { createMeasurement } from '../../adapters/postgres/serving/measurement.js';
import { LatencySketch } from '../../domain/latency-sketch.js';
import { addVersion, capture, freshModel, hour, rolloutOf, servingWorld } from './world.js';

const world = servingWorld();
const minute = 60_000;
const day = 24 * hour;
const parts = () => ({
  captures: createCaptureStore(world.db()),
  latencies: createLatencyStore(world.db()),
  upkeep: createLatencyUpkeep(world.db()),
  measurement: createMeasurement(world.db()),
});

type Seen = { readonly latencyMs: number; readonly timeMs: number; readonly failed?: boolean };
type Of = {
  readonly model: string;
  readonly gateway?: string;
  readonly version?: string;
  readonly shadow?: boolean;
  readonly openedMs?: number;
};

/** What a gateway stores of these requests: a row a minute. */
function rowsOf(of: Of, seen: readonly Seen[]): LatencyRow[] {
  const minutes = new Map<number, Seen[]>();
  for (const one of seen) {
    const eventMinute = Math.floor(one.timeMs / minute);
    minutes.set(eventMinute, [...(minutes.get(eventMinute) ?? []), one]);
  }
  return [...minutes].map(([eventMinute, inMinute]) => {
    const sketch = new LatencySketch();
    for (const { latencyMs } of inMinute) sketch.add(latencyMs);
    return {
      gateway: 'gateway-1',
      version: '1.0.0',
      shadow: false,
      openedMs: 1_000,
      ...of,
      eventMinute,
      firstMs: Math.min(...inMinute.map(({ timeMs }) => timeMs)),
      lastMs: Math.max(...inMinute.map(({ timeMs }) => timeMs)),
      requests: inMinute.length,
      errors: inMinute.filter(({ failed }) => failed === true).length,
      bins: sketch.bins().map(({ bin }) => bin),
      counts: sketch.bins().map(({ count }) => count),
    };
  });
}

/** Until nothing is left to merge, as the upkeep does. */
async function rollUp(into: 'hour' | 'day', openedBeforeMs: number): Promise<{ merged: number; made: number }> {
  const total = { merged: 0, made: 0 };
  for (;;) {
    const { merged, made } = await parts().upkeep.rollUp({ into, openedBeforeMs });
    if (merged === 0) return total;
    total.merged += merged;
    total.made += made;
  }
}

const stored = (model: string) =>
  world
    .db()
    .selectFrom('latency_sketches')
    .select(['event_minute', 'span_minutes', 'requests'])
    .where('model', '=', model)
    .orderBy('event_minute')
    .orderBy('span_minutes')
    .execute();

test('minutes become hours and hours days, and every window of whole spans reads as before', async () => {
  const { latencies, measurement } = parts();
  const model = freshModel();
  const from = 100 * day;
  const seen = (gateway: number) =>
    Array.from({ length: 400 }, (_, i) => ({
      latencyMs: gateway * (1 + ((i * 37) % 100)),
      timeMs: from + i * 9 * minute + gateway,
      failed: i % 50 === 0,
    }));
  for (const gateway of [1, 2, 3]) await latencies.write(rowsOf({ model, gateway: `gateway-${gateway}` }, seen(gateway)));
  const windows = [
    { fromMs: from, toMs: from + day },
    { fromMs: from + day, toMs: from + 3 * day },
    { fromMs: from - day, toMs: from + 5 * day },
  ];
  const read = () => Promise.all(windows.map((window) => measurement.variant({ model, version: '1.0.0', shadow: false, ...window })));
  const before = await read();
  expect(before.map(({ requests }) => requests)).toEqual([480, 720, 1_200]);

  expect(await rollUp('hour', 2_000)).toEqual({ merged: 1_200, made: 60 });
  expect(await read()).toEqual(before);
  const inHours = (await measurement.variant({ model, version: '1.0.0', shadow: false, fromMs: from + hour, toMs: from + 2 * hour }))
    .requests;
  expect(inHours).toBe(21);
  expect(await rollUp('hour', 2_000)).toEqual({ merged: 0, made: 0 });

  expect(await rollUp('day', 2_000)).toEqual({ merged: 60, made: 3 });
  expect(await read()).toEqual(before);
  expect((await stored(model)).map(({ span_minutes, requests }) => [span_minutes, requests])).toEqual([
    [1_440, 480],
    [1_440, 480],
    [1_440, 240],
  ]);
});

test('quantiles keep their error bound through both steps', async () => {
  const { latencies, measurement } = parts();
  const latency = fc.double({ min: 0.01, max: 100_000, noNaN: true });
  await fc.assert(
    fc.asyncProperty(fc.array(latency, { minLength: 1, maxLength: 200 }), async (measured) => {
      const model = freshModel();
      const seen = measured.map((latencyMs, i) => ({ latencyMs, timeMs: day + ((i * 53) % 1_440) * minute }));
      for (const half of [0, 1])
        await latencies.write(
          rowsOf(
            { model, gateway: `gateway-${half}` },
            seen.filter((_, i) => i % 2 === half),
          ),
        );
      await rollUp('hour', 2_000);
      await rollUp('day', 2_000);
      const read = await measurement.variant({
        model,
        version: '1.0.0',
        shadow: false,
        fromMs: day,
        toMs: 2 * day,
      });
      const sorted = measured.toSorted((a, b) => a - b);
      expect(read.requests).toBe(sorted.length);
      for (const [q, estimate] of [
        [0.5, read.p50Ms],
        [0.95, read.p95Ms],
        [0.99, read.p99Ms],
      ] as const) {
        const place = q * (sorted.length - 1);
        expect(estimate).toBeGreaterThanOrEqual(sorted[Math.floor(place)]! * 0.98999);
        expect(estimate).toBeLessThanOrEqual(sorted[Math.ceil(place)]! * 1.01001);
      }
    }),
    { numRuns: 15 },
  );
});

test('a window that cuts an hour counts it from captures, and nothing twice', async () => {
  const { captures, latencies, measurement } = parts();
  const model = freshModel();
  const times = [10, 20, 70, 80].map((minutes) => 50 * day + minutes * minute);
  await latencies.write(
    rowsOf(
      { model },
      times.map((timeMs) => ({ latencyMs: 10, timeMs })),
    ),
  );
  await captures.write(times.map((eventTimeMs) => capture({ model, version: '1.0.0', eventTimeMs, latencyMs: 10 })));
  const count = async (fromMinutes: number, toMinutes: number) =>
    (
      await measurement.variant({
        model,
        version: '1.0.0',
        shadow: false,
        fromMs: 50 * day + fromMinutes * minute,
        toMs: 50 * day + toMinutes * minute,
      })
    ).requests;
  const windows = [
    [0, 120],
    [15, 120],
    [0, 75],
    [15, 75],
    [11, 19],
    [60, 120],
    [-2_000, 4_000],
  ] as const;
  const all = () => Promise.all(windows.map(([from, to]) => count(from, to)));
  const before = await all();
  expect(before).toEqual([4, 3, 3, 2, 0, 2, 4]);
  await rollUp('hour', 2_000);
  expect(await all()).toEqual(before);
  // What is asked about the same hour long after lies beside the merged sketch until it is merged too.
  await latencies.write(rowsOf({ model, openedMs: 9_000 }, [{ latencyMs: 500, timeMs: times[1]! + 1 }]));
  await captures.write([capture({ model, version: '1.0.0', eventTimeMs: times[1]! + 1, latencyMs: 500 })]);
  const later = [5, 4, 4, 3, 0, 2, 5];
  expect(await all()).toEqual(later);
  await rollUp('day', 2_000);
  expect(await all()).toEqual(later);
  expect((await stored(model)).map(({ span_minutes }) => span_minutes)).toEqual([1_440, 1]);
  await rollUp('hour', 10_000);
  expect(await all()).toEqual(later);
  await rollUp('day', 10_000);
  expect(await all()).toEqual(later);
  expect((await stored(model)).map(({ span_minutes, requests }) => [span_minutes, requests])).toEqual([[1_440, 5]]);
});

test('versions, shadows and models stay apart, times before 1970 fall into their own hour, and young sketches stay minutes', async () => {
  const { latencies } = parts();
  const [model, other] = [freshModel(), freshModel()];
  const at = (...times: number[]) => times.map((timeMs) => ({ latencyMs: 5, timeMs }));
  await latencies.write([
    ...rowsOf({ model }, at(0, minute)),
    ...rowsOf({ model, version: '1.0.1' }, at(0, minute)),
    ...rowsOf({ model, shadow: true }, at(0, minute)),
    ...rowsOf({ model: other }, at(-minute, -61 * minute, minute)),
    ...rowsOf({ model: other, openedMs: 5_000 }, at(2 * minute)),
  ]);
  await rollUp('hour', 5_000);
  expect(await stored(model)).toEqual(Array.from({ length: 3 }, () => ({ event_minute: 0, span_minutes: 60, requests: 2 })));
  expect(await stored(other)).toEqual([
    { event_minute: -120, span_minutes: 60, requests: 1 },
    { event_minute: -60, span_minutes: 60, requests: 1 },
    { event_minute: 0, span_minutes: 60, requests: 1 },
    { event_minute: 2, span_minutes: 1, requests: 1 },
  ]);
});

test('what a running rollout is judged by stays in minutes until the rollout is over', async () => {
  const { latencies } = parts();
  const model = freshModel();
  const version = '1.0.0';
  await addVersion(world.db(), { model, version });
  await world.store().begin(rolloutOf({ model, version, champion: null }));
  await latencies.write(
    rowsOf(
      { model },
      [0, 1, 2].map((i) => ({ latencyMs: 5, timeMs: i * minute })),
    ),
  );
  await rollUp('hour', 2_000);
  expect(await stored(model)).toHaveLength(3);
  await world.store().end({ model, version, promotionId: `${model}:${version}:1`, outcome: 'aborted', reason: 'test', steps: [] });
  await rollUp('hour', 2_000);
  expect(await stored(model)).toEqual([{ event_minute: 0, span_minutes: 60, requests: 3 }]);
});

test('two that roll up at once lose nothing and count nothing twice', async () => {
  const { latencies } = parts();
  const model = freshModel();
  for (let gateway = 0; gateway < 4; gateway++)
    await latencies.write(
      rowsOf(
        { model, gateway: `gateway-${gateway}` },
        Array.from({ length: 600 }, (_, i) => ({ latencyMs: 5, timeMs: i * minute })),
      ),
    );
  await Promise.all([1, 2, 3].map(() => rollUp('hour', 2_000)));
  await rollUp('day', 2_000);
  expect(await stored(model)).toEqual([{ event_minute: 0, span_minutes: 1_440, requests: 2_400 }]);
});

test('sketches of every span are forgotten by the newest thing in them', async () => {
  const { latencies, upkeep } = parts();
  const model = freshModel();
  const at = (openedMs: number, timeMs: number) => rowsOf({ model, openedMs }, [{ latencyMs: 5, timeMs }]);
  await latencies.write([...at(100, 0), ...at(900, minute), ...at(100, 2 * hour), ...at(200, 3 * hour)]);
  await rollUp('hour', 1_000);
  const forget = async (openedMs: number) => {
    while ((await upkeep.forgetBefore(openedMs)) > 0);
    return (await stored(model)).map(({ event_minute }) => event_minute);
  };
  expect(await forget(200)).toEqual([0, 180]);
  expect(await forget(900)).toEqual([0]);
  expect(await forget(901)).toEqual([]);
});
