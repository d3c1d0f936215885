import { setTimeout } from 'node:timers/promises';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { inTransaction } from '../../adapters/postgres/database.js';
import { changeRoute, readRoute, type RouteChange } from '../../adapters/postgres/serving/route-state.js';
import { stepTarget, wholeTarget } from '../../adapters/postgres/serving/route-targets.js';
import { createRouteSource } from '../../adapters/postgres/serving/route-source.js';
import { addVersion, freshModel, liveModel, rolloutOf, servingWorld, stateOf } from './world.js';

const world = servingWorld();

const change = (model: string, expected: number, by: string): RouteChange => ({
  model,
  expected,
  target: wholeTarget('1.0.0', [], 'salt'),
  kind: 'step',
  promotionId: `${model}:${by}`,
  stepIndex: 0,
  by,
  reason: 'race',
});

test('of 100 changes of one generation one wins', async () => {
  const model = freshModel();
  for (const generation of [0, 1]) {
    const tries = Array.from({ length: 100 }, (_, index) =>
      inTransaction(world.db(), (trx) => changeRoute(trx, change(model, generation, `racer ${generation}-${index}`))),
    );
    const settled = await Promise.allSettled(tries);
    const won = settled.filter((outcome) => outcome.status === 'fulfilled');
    expect(won.map((outcome) => outcome.value)).toEqual([generation + 1]);
    for (const lost of settled.filter((outcome) => outcome.status === 'rejected')) expect(lost.reason).toMatchObject({ type: 'Conflict' });
    expect(await readRoute(world.db(), model)).toMatchObject({ generation: generation + 1 });
  }
});

test('a step of a rollout is applied once, however often and by whomever it is asked for', async () => {
  const model = await liveModel(world.db(), '1.0.1');
  const store = world.store();
  const input = rolloutOf({ model, version: '1.0.1', champion: '1.0.0' });
  await store.begin(input);
  const step = { model, promotionId: input.promotionId, stepIndex: 0, champion: '1.0.0', challenger: '1.0.1', share: 0.05, shadow: false };
  const answers = await Promise.all(Array.from({ length: 100 }, () => store.applyRoute(step)));
  expect(new Set(answers.map(({ generation }) => generation))).toEqual(new Set([2]));
  expect(await stateOf(world.db(), model)).toMatchObject({
    generation: 2,
    variants: [
      { version: '1.0.0', weight: 0.95 },
      { version: '1.0.1', weight: 0.05 },
    ],
    challenger: '1.0.1',
    champion: '1.0.0',
  });
  const next = await store.applyRoute({ ...step, stepIndex: 1, share: 0.5 });
  expect(next).toEqual({ generation: 3 });
  const { salt: first } = (await readRoute(world.db(), model))!;
  expect(first).toBe(input.promotionId);
});

test('the champion stands first, and who answers nobody is loaded all the same', () => {
  const step = { champion: '1.0.0', challenger: '1.0.1', previous: '0.9.0', share: 0, shadow: false, salt: 's' };
  expect(stepTarget(step)).toEqual({ variants: [{ version: '1.0.0', weight: 1 }], shadow: null, standby: ['0.9.0', '1.0.1'], salt: 's' });
  expect(stepTarget({ ...step, shadow: true })).toMatchObject({ shadow: '1.0.1', standby: ['0.9.0'] });
  expect(stepTarget({ ...step, share: 0.25 })).toMatchObject({
    variants: [
      { version: '1.0.0', weight: 0.75 },
      { version: '1.0.1', weight: 0.25 },
    ],
    standby: ['0.9.0'],
  });
  // Before a first version goes live nothing answers, but it is loaded for its smoke test.
  expect(stepTarget({ ...step, champion: null, previous: null })).toEqual({ variants: [], shadow: null, standby: ['1.0.1'], salt: 's' });
});

test('weights that do not sum to 1, or name a version twice, are refused by the table', async () => {
  const model = freshModel();
  const variants = [
    { version: '1.0.0', weight: 0.5 },
    { version: '1.0.1', weight: 0.4 },
  ];
  const wrong = (target: typeof variants) =>
    inTransaction(world.db(), (trx) =>
      changeRoute(trx, { ...change(model, 0, 'x'), target: { variants: target, shadow: null, standby: [], salt: 's' } }),
    );
  await expect(wrong(variants)).rejects.toMatchObject({ type: 'Conflict' });
  await expect(
    wrong([
      { version: '1.0.0', weight: 0.5 },
      { version: '1.0.0', weight: 0.5 },
    ]),
  ).rejects.toMatchObject({ type: 'Conflict' });
  await expect(
    wrong([
      { version: '1.0.0', weight: 1.5 },
      { version: '1.0.1', weight: -0.5 },
    ]),
  ).rejects.toMatchObject({ type: 'Conflict' });
});

test('a gateway hears of a change at the commit, reads the route and the package, and leaves when it goes', async () => {
  const model = freshModel();
  const pack = { digest: 'sha256:p', files: [{ path: 'model.onnx', digest: 'sha256:f', bytes: 3 }] };
  await addVersion(world.db(), { model, version: '1.0.0', package: pack });
  const source = createRouteSource(world.db(), world.url());
  const store = world.store();
  let heard = 0;
  let wake: (() => void) | undefined;
  const following = await source.follow(() => {
    heard += 1;
    wake?.();
  });
  try {
    await source.renewLease({ id: `g-${model}`, url: 'http://127.0.0.1:1', ttlMs: 60_000 });
    const input = rolloutOf({ model, version: '1.0.0', champion: null });
    await store.begin(input);
    const before = heard;
    const told = new Promise<void>((resolve) => (wake = resolve));
    await store.promote({ model, version: '1.0.0', champion: null, promotionId: input.promotionId, by: 'ann', reason: 'first' });
    await told;
    expect(heard).toBeGreaterThan(before);
    const route = (await source.routes()).find((candidate) => candidate.model === model);
    expect(route).toMatchObject({ generation: 1, variants: [{ version: '1.0.0', weight: 1 }] });
    expect(await source.version(model, '1.0.0')).toEqual({ model, version: '1.0.0', package: pack });
    await expect(source.version(model, '7.0.0')).rejects.toMatchObject({ type: 'ArtifactRejected' });

    await source.acknowledge({ gateway: `g-${model}`, model, generation: 1, refused: null });
    await source.acknowledge({ gateway: `g-${model}`, model, generation: 0, refused: 'late' });
    const mine = async () => (await store.followers(model)).gateways.find(({ id }) => id === `g-${model}`);
    expect(await mine()).toEqual({ id: `g-${model}`, url: 'http://127.0.0.1:1', generation: 1, refused: null });
    await source.renewLease({ id: `g-${model}`, url: 'http://127.0.0.1:1', ttlMs: -1 });
    expect(await mine()).toBeUndefined();
    await source.dropLease(`g-${model}`);
    await source.renewLease({ id: `g-${model}`, url: 'http://127.0.0.1:2', ttlMs: 60_000 });
    expect(await mine()).toMatchObject({ url: 'http://127.0.0.1:2', generation: null });
    await source.dropLease(`g-${model}`);
  } finally {
    await following.close();
  }
});

test('following goes on after the listening connection was cut', async () => {
  const model = await liveModel(world.db(), '1.0.1');
  const source = createRouteSource(world.db(), world.url());
  let wake: (() => void) | undefined;
  const following = await source.follow(() => wake?.());
  try {
    const mine = sql<{
      pid: number;
    }>`select pid from pg_stat_activity where application_name = 'perennial-listen-perennial_routes' and datname = current_database()`;
    const [before] = (await mine.execute(world.db())).rows;
    await sql`select pg_terminate_backend(${before!.pid})`.execute(world.db());
    const reconnected = async () => (await mine.execute(world.db())).rows.some(({ pid }) => pid !== before!.pid);
    while (!(await reconnected())) await setTimeout(50);
    const told = new Promise<void>((resolve) => (wake = resolve));
    await inTransaction(world.db(), (trx) => changeRoute(trx, change(model, 1, 'later')));
    await told;
  } finally {
    await following.close();
  }
});
