import { sql } from 'kysely';
import { expect, test } from 'vitest';
import type { Capture } from '../../activities/ports.js';
import { createCaptureStore } from '../../adapters/postgres/serving/capture-store.js';
import { createMeasurement } from '../../adapters/postgres/serving/measurement.js';
import { createOutcomeStore } from '../../adapters/postgres/serving/outcome-store.js';
import { capture, freshModel, hour, servingWorld } from './world.js';

const world = servingWorld();
const stores = () => ({
  captures: createCaptureStore(world.db()),
  outcomes: createOutcomeStore(world.db()),
  measurement: createMeasurement(world.db()),
});
const all = { fromMs: 0, toMs: 1_000 * hour };

test('captures are stored once, whatever callers send in their keys', async () => {
  const { captures, measurement } = stores();
  const model = freshModel();
  const odd = capture({
    model,
    version: '1.0.0',
    id: 'odd\0',
    key: 'nul\0 \uD800 half',
    subject: 'a\0b',
    inputs: { text: 'x\0y\uDC00', hour: 1, on: true, none: null },
  });
  const batch = [odd, ...Array.from({ length: 4_999 }, () => capture({ model, version: '1.0.0' }))];
  await captures.write(batch);
  await captures.write(batch.slice(0, 700));
  await captures.write([]);
  expect(await measurement.variant({ model, version: '1.0.0', shadow: false, ...all })).toMatchObject({ requests: 5_000, errors: 0 });
  const stored = await world
    .db()
    .selectFrom('captures')
    .select(['key', 'subject', 'inputs'])
    .where('model', '=', model)
    .where('id', 'like', 'odd%')
    .executeTakeFirstOrThrow();
  expect(stored).toEqual({
    key: 'nul\uFFFD \uFFFD half',
    subject: 'a\uFFFDb',
    inputs: { text: 'x\uFFFDy\uFFFD', hour: 1, on: true, none: null },
  });
  expect(await captures.label(model, [{ id: 'odd\0', value: 1 }])).toEqual({ stored: 1, refused: [] });
});

test('two models may be asked under the same id', async () => {
  const { captures, measurement } = stores();
  const [one, other] = [freshModel(), freshModel()];
  await captures.write([one, other].map((model) => capture({ model, version: '1.0.0', id: 'shared' })));
  for (const model of [one, other])
    expect(await measurement.variant({ model, version: '1.0.0', shadow: false, ...all })).toMatchObject({ requests: 1 });
});

test('the answers to one request share its id', async () => {
  const { captures, measurement } = stores();
  const model = freshModel();
  await captures.write([
    capture({ model, version: '1.0.1', id: 'one', predicted: null, error: 'InferenceFailed' }),
    capture({ model, version: '1.0.0', id: 'one' }),
    capture({ model, version: '1.0.1', id: 'one', shadow: true }),
  ]);
  expect(await measurement.variant({ model, version: '1.0.1', shadow: false, ...all })).toMatchObject({ requests: 1, errors: 1 });
  expect(await measurement.variant({ model, version: '1.0.1', shadow: true, ...all })).toMatchObject({ requests: 1, errors: 0 });
});

test('figures agree with a computation by hand', async () => {
  const { captures, measurement } = stores();
  const model = freshModel();
  const of = (latencyMs: number, at: number, more = {}) => capture({ model, version: '1.0.0', latencyMs, eventTimeMs: at, ...more });
  // Ten latencies 10..100 in the window; one before it, one at its end, a shadow call and another version's beside it.
  await captures.write([
    ...Array.from({ length: 10 }, (_, index) =>
      of((index + 1) * 10, hour + index, index === 9 ? { predicted: null, error: 'Timeout' } : {}),
    ),
    of(1_000, hour - 1),
    of(1_000, 2 * hour),
    of(1_000, hour, { shadow: true }),
    capture({ model, version: '1.0.1', latencyMs: 1_000, eventTimeMs: hour }),
  ]);
  const seen = await measurement.variant({ model, version: '1.0.0', shadow: false, fromMs: hour, toMs: 2 * hour });
  // Ranks 0.5 * 9, 0.95 * 9 and 0.99 * 9 above the first, interpolated.
  expect(seen).toMatchObject({ version: '1.0.0', requests: 10, errors: 1, p50Ms: 55, p95UpperMs: null });
  expect(seen.p95Ms).toBeCloseTo(95.5, 9);
  expect(seen.p99Ms).toBeCloseTo(99.1, 9);
  expect(await measurement.variant({ model, version: '9.0.0', shadow: false, ...all })).toEqual({
    version: '9.0.0',
    requests: 0,
    errors: 0,
    p50Ms: null,
    p95Ms: null,
    p99Ms: null,
    p95LowerMs: null,
    p95UpperMs: null,
  });
});

test('quantiles are those that Postgres would interpolate, to the microsecond', async () => {
  const { captures, measurement } = stores();
  const model = freshModel();
  await captures.write(
    Array.from({ length: 777 }, (_, index) => capture({ model, version: '1.0.0', latencyMs: ((index * 7919) % 1_000) / 37 })),
  );
  const { rows } = await sql<{
    quantiles: number[];
  }>`select percentile_cont(array[0.5, 0.95, 0.99]) within group (order by latency_ms) as quantiles from captures where model = ${model}`.execute(
    world.db(),
  );
  const { p50Ms, p95Ms, p99Ms } = await measurement.variant({ model, version: '1.0.0', shadow: false, ...all });
  for (const [index, figure] of [p50Ms, p95Ms, p99Ms].entries()) expect(Math.abs(figure! - rows[0]!.quantiles[index]!)).toBeLessThan(0.001);
});

test('the interval of the P95 are the latencies of its ranks', async () => {
  const { captures, measurement } = stores();
  const model = freshModel();
  await captures.write(Array.from({ length: 1_000 }, (_, index) => capture({ model, version: '1.0.0', latencyMs: index + 1 })));
  const seen = await measurement.variant({ model, version: '1.0.0', shadow: false, ...all });
  // Hahn and Meeker: about 950 +- 1.96 * sqrt(1000 * 0.95 * 0.05) = 950 +- 13.5.
  expect(seen.p95LowerMs).toBeGreaterThanOrEqual(935);
  expect(seen.p95LowerMs).toBeLessThanOrEqual(938);
  expect(seen.p95UpperMs).toBeGreaterThanOrEqual(963);
  expect(seen.p95UpperMs).toBeLessThanOrEqual(966);
  expect(Number.isInteger(seen.p95LowerMs)).toBe(true);
});

test('a pair is a labelled question that both answered without error: one, however often it was asked', async () => {
  const { captures, measurement } = stores();
  const model = freshModel();
  const ask = (...[version, subject, predicted, more = {}]: [string, string, number | null, Partial<Capture>?]) =>
    capture({ model, version, subject, predicted, eventTimeMs: hour, error: predicted === null ? 'Failed' : null, ...more });
  await captures.write([
    ask('1.0.0', 'h1', 100),
    ask('1.0.0', 'h1', 110),
    ask('1.0.1', 'h1', 90, { shadow: true }),
    ask('1.0.1', 'h1', 96),
    ask('1.0.1', 'h1', null),
    ask('1.0.0', 'h2', 100),
    ask('1.0.1', 'h2', null),
    ask('1.0.0', 'h3', 100),
    ask('1.0.1', 'h3', 100),
    ask('1.0.0', 'early', 100, { eventTimeMs: hour - 1 }),
    ask('1.0.1', 'early', 100, { eventTimeMs: hour - 1 }),
  ]);
  const pairs = () => measurement.pairs({ model, champion: '1.0.0', challenger: '1.0.1', fromMs: hour, toMs: 2 * hour });
  expect(await pairs()).toEqual([]);
  await captures.label(model, [
    { subject: 'h1', value: 120 },
    { subject: 'h2', value: 1 },
    { subject: 'early', value: 1 },
  ]);
  expect(await pairs()).toEqual([{ subject: 'h1', actual: 120, champion: 105, challenger: 93 }]);
  // A label that comes late changes what is known of an old hour.
  await captures.label(model, [{ subject: 'h3', value: 80 }]);
  expect((await pairs()).map(({ subject }) => subject)).toEqual(['h1', 'h3']);
  await captures.write([ask('1.0.1', 'h3', NaN)]);
  expect((await pairs())[1]).toMatchObject({ subject: 'h3', challenger: NaN });
});

test('labels come by id or subject; the first stays, an equal repeat is fine, the rest is refused with the reason', async () => {
  const { captures, outcomes } = stores();
  const model = freshModel();
  await captures.write([
    capture({ model, version: '1.0.0', id: `${model}-1`, subject: 's1', eventTimeMs: hour }),
    capture({ model, version: '1.0.0', subject: 's2', eventTimeMs: 2 * hour }),
  ]);
  const answer = await captures.label(model, [
    { id: `${model}-1`, value: 5 },
    { subject: 's1', value: 5 },
    { subject: 's1', value: 6 },
    { subject: 's2', value: 7 },
    { subject: 'unseen', value: 8 },
    { subject: 'unseen', eventTimeMs: 3 * hour, value: 8 },
    { id: 'nobody', value: 9 },
    { value: 9 },
    { subject: 's2', value: NaN },
    { id: `${model}-1`, subject: 's2', value: 5 },
  ]);
  expect(answer.refused.map(({ index }) => index)).toEqual([2, 4, 6, 7, 8, 9]);
  expect(answer.stored).toBe(4);
  for (const { index, reason } of [
    [2, '5'],
    [4, 'event_time_ms'],
    [6, 'nobody'],
    [7, 'neither'],
    [8, 'finite'],
    [9, 's1'],
  ].map(([index, reason]) => ({ index, reason }))) {
    expect(answer.refused.find((refusal) => refusal.index === index)?.reason).toContain(reason);
  }
  expect(await captures.label(model, [{ subject: 's1', value: 5 }])).toEqual({ stored: 1, refused: [] });
  // A repeat inside one batch is judged by what is stored, not by its own first.
  expect(
    (
      await captures.label(model, [
        { subject: 's1', value: 6 },
        { subject: 's1', value: 6 },
      ])
    ).refused,
  ).toHaveLength(2);
  expect(await captures.label(model, [])).toEqual({ stored: 0, refused: [] });
  expect(await outcomes.range(model, 0, 10 * hour)).toEqual([
    { timeMs: hour, value: 5 },
    { timeMs: 2 * hour, value: 7 },
    { timeMs: 3 * hour, value: 8 },
  ]);
});

test('outcomes are followed by change number without a gap, also while many write', async () => {
  const { outcomes } = stores();
  const model = freshModel();
  await outcomes.upsert(model, [
    { timeMs: 2, value: 2 },
    { timeMs: 1, value: 1 },
  ]);
  const first = await outcomes.since(model, 0);
  expect(first.outcomes).toHaveLength(2);
  await outcomes.upsert(model, [{ timeMs: 1, value: 1 }]);
  expect(await outcomes.since(model, first.change)).toEqual({ outcomes: [], change: first.change });
  await outcomes.upsert(model, [
    { timeMs: 1, value: 10 },
    { timeMs: 3, value: 3 },
  ]);
  expect((await outcomes.since(model, first.change)).outcomes.sort((a, b) => a.timeMs - b.timeMs)).toEqual([
    { timeMs: 1, value: 10 },
    { timeMs: 3, value: 3 },
  ]);
  await expect(outcomes.upsert(model, [{ timeMs: 4, value: Infinity }])).rejects.toMatchObject({ type: 'DataInvalid' });

  const followed = new Map<number, number>();
  let change = 0;
  let writing = true;
  const follow = async () => {
    do {
      const news = await outcomes.since(model, change);
      for (const { timeMs, value } of news.outcomes) followed.set(timeMs, value);
      ({ change } = news);
    } while (writing);
    const last = await outcomes.since(model, change);
    for (const { timeMs, value } of last.outcomes) followed.set(timeMs, value);
  };
  const following = follow();
  await Promise.all(
    Array.from({ length: 60 }, (_, index) =>
      outcomes.upsert(
        model,
        Array.from({ length: 20 }, (__, row) => ({ timeMs: (index % 7) * 20 + row, value: index + 1 })),
      ),
    ),
  );
  writing = false;
  await following;
  const stored = await outcomes.range(model, 0, 1_000);
  expect(Object.fromEntries(followed)).toEqual(Object.fromEntries(stored.map(({ timeMs, value }) => [timeMs, value])));
});
