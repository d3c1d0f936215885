import { expect, test } from 'vitest';
import { closeInvestigation, openInvestigations } from '../../adapters/postgres/serving/investigations.js';
import { addVersion, freshModel, goLive, liveModel, rolloutOf, servingWorld, stateOf } from './world.js';

const world = servingWorld();
const auditOf = async (model: string) =>
  (await world.db().selectFrom('audit').select('action').where('model', '=', model).orderBy('sequence').execute()).map(
    ({ action }) => action,
  );
const noticesOf = async (model: string) =>
  (await world.db().selectFrom('outbox').select('notice').where('model', '=', model).orderBy('created_at').execute()).map(
    ({ notice }) => notice.kind,
  );

/** A rollout of `version` that has its first share of the traffic. */
async function canary(model: string, version: string, champion: string | null = '1.0.0') {
  const store = world.store();
  const input = rolloutOf({ model, version, champion });
  await store.begin(input);
  await store.applyRoute({
    model,
    promotionId: input.promotionId,
    stepIndex: 0,
    champion,
    challenger: version,
    share: champion === null ? 0 : 0.05,
    shadow: false,
  });
  const promotion = { model, version, champion, promotionId: input.promotionId, by: 'ann', reason: 'all passed' };
  return {
    ...promotion,
    input,
    promote: () => store.promote(promotion),
    takeBack: (investigate = true) => store.takeBack({ ...promotion, reason: 'it answers late', investigate }),
  };
}

/** One champion; alias, stage and route agree; nothing else has traffic. */
async function expectLive(model: string, version: string) {
  const state = await stateOf(world.db(), model);
  expect(state).toMatchObject({ champion: version, variants: [{ version, weight: 1 }], shadow: null, challenger: null });
  expect(Object.entries(state.stages).filter(([, stage]) => stage === 'Production')).toEqual([[version, 'Production']]);
  const open = await world
    .db()
    .selectFrom('alias_history')
    .select('version')
    .where('model', '=', model)
    .where('alias', '=', 'champion')
    .where('valid_to', 'is', null)
    .execute();
  expect(open).toEqual([{ version }]);
  return state;
}

test('a promotion moves aliases, stages, traffic, audit and outbox at once, and only once', async () => {
  const model = await liveModel(world.db(), '1.0.1');
  const rollout = await canary(model, '1.0.1');
  const answers = await Promise.all(Array.from({ length: 10 }, () => rollout.promote()));
  expect(new Set(answers.map(({ generation }) => generation))).toEqual(new Set([3]));
  const state = await expectLive(model, '1.0.1');
  expect(state).toMatchObject({
    previous: '1.0.0',
    standby: ['1.0.0'],
    generation: 3,
    stages: { '1.0.0': 'Archived', '1.0.1': 'Production' },
  });
  expect((await auditOf(model)).filter((action) => action === 'promote')).toHaveLength(2);
  expect(await noticesOf(model)).toEqual(['promoted', 'promoted']);
});

test('what is not approved, or under investigation, or not of this champion, is not promoted', async () => {
  const model = await liveModel(world.db(), '1.0.1');
  await addVersion(world.db(), { model, version: '1.0.2', approval: 'pending' });
  const store = world.store();
  await expect(store.begin(rolloutOf({ model, version: '1.0.2', champion: '1.0.0' }))).rejects.toMatchObject({ type: 'NotApproved' });
  await expect(store.begin(rolloutOf({ model, version: '1.0.1', champion: null }))).rejects.toMatchObject({ type: 'Conflict' });
  await expect(store.begin(rolloutOf({ model, version: '1.0.0', champion: '1.0.0', attempt: 2 }))).rejects.toMatchObject({
    type: 'Conflict',
  });
  const rollout = await canary(model, '1.0.1');
  await expect(store.promote({ ...rollout, champion: null })).rejects.toMatchObject({ type: 'Conflict' });
  await expect(store.promote({ ...rollout, promotionId: 'other' })).rejects.toMatchObject({ type: 'Conflict' });
  expect(await stateOf(world.db(), model)).toMatchObject({ champion: '1.0.0', generation: 2 });
});

test('one rollout of a model at a time; beginning it twice is one', async () => {
  const model = await liveModel(world.db(), '1.0.1', '1.0.2');
  const store = world.store();
  const first = rolloutOf({ model, version: '1.0.1', champion: '1.0.0' });
  await store.begin(first);
  await store.begin(first);
  await expect(store.begin(rolloutOf({ model, version: '1.0.2', champion: '1.0.0' }))).rejects.toMatchObject({
    type: 'Conflict',
    message: expect.stringContaining('1.0.1'),
  });
  await store.end({ model, version: '1.0.1', promotionId: first.promotionId, outcome: 'superseded', reason: 'a newer one', steps: [] });
  expect(await stateOf(world.db(), model)).toMatchObject({ challenger: null });
  await store.begin(rolloutOf({ model, version: '1.0.2', champion: '1.0.0' }));
});

test('a breach takes traffic back, and the version rolls out again only after a person closed its investigation', async () => {
  const model = await liveModel(world.db(), '1.0.1');
  const rollout = await canary(model, '1.0.1');
  const { generation } = await rollout.takeBack();
  expect(await rollout.takeBack()).toEqual({ generation });
  expect(await expectLive(model, '1.0.0')).toMatchObject({ generation: 3, stages: { '1.0.1': 'Archived' } });
  expect(await noticesOf(model)).toEqual(['promoted', 'rolledBack']);
  // Whatever of the rollout still comes has no effect.
  await expect(rollout.promote()).rejects.toMatchObject({ type: 'Conflict', message: expect.stringContaining('it answers late') });
  await expect(
    world.store().applyRoute({
      model,
      promotionId: rollout.promotionId,
      stepIndex: 1,
      champion: '1.0.0',
      challenger: '1.0.1',
      share: 0.5,
      shadow: false,
    }),
  ).rejects.toMatchObject({ type: 'Conflict' });
  await world
    .store()
    .end({ model, version: '1.0.1', promotionId: rollout.promotionId, outcome: 'rolledBack', reason: 'it answers late', steps: [] });

  const again = rolloutOf({ model, version: '1.0.1', champion: '1.0.0', attempt: 2 });
  await expect(world.store().begin(again)).rejects.toMatchObject({ type: 'Conflict', message: expect.stringContaining('investigation') });
  const [open] = await openInvestigations(world.db(), { model });
  expect(open).toMatchObject({ version: '1.0.1', reason: 'it answers late' });
  await expect(closeInvestigation(world.db(), { model, version: '1.0.1', by: 'ann', reason: ' ' })).rejects.toMatchObject({
    type: 'DataInvalid',
  });
  await closeInvestigation(world.db(), { id: open!.id, by: 'ann', reason: 'the host was overloaded' });
  await expect(closeInvestigation(world.db(), { id: open!.id, by: 'ann', reason: 'again' })).rejects.toMatchObject({
    type: 'Conflict',
    message: `No investigation ${open!.id} is open; ./perennial investigations lists those that are.`,
  });
  expect(await openInvestigations(world.db(), { model })).toEqual([]);
  await world.store().begin(again);
  // A late repeat of the first take-back opens nothing and disturbs nothing.
  expect(await rollout.takeBack()).toEqual({ generation });
  expect(await openInvestigations(world.db(), { model })).toEqual([]);
  expect(await stateOf(world.db(), model)).toMatchObject({ challenger: '1.0.1', generation: 3 });
});

test('a rollout that is stopped without fault opens no investigation', async () => {
  const model = await liveModel(world.db(), '1.0.1');
  const rollout = await canary(model, '1.0.1');
  await rollout.takeBack(false);
  expect(await expectLive(model, '1.0.0')).toMatchObject({ stages: { '1.0.1': 'None' } });
  expect(await openInvestigations(world.db(), { model })).toEqual([]);
  await world.store().begin(rolloutOf({ model, version: '1.0.1', champion: '1.0.0', attempt: 2 }));
});

test('a promotion whose own rollout finds a fault afterwards is undone; a first version then leaves nothing live', async () => {
  const model = await liveModel(world.db(), '1.0.1');
  const rollout = await canary(model, '1.0.1');
  await rollout.promote();
  await rollout.takeBack();
  expect(await expectLive(model, '1.0.0')).toMatchObject({ previous: null, stages: { '1.0.0': 'Production', '1.0.1': 'Archived' } });

  const first = freshModel();
  await addVersion(world.db(), { model: first, version: '1.0.0' });
  const direct = await canary(first, '1.0.0', null);
  expect(await stateOf(world.db(), first)).toMatchObject({ variants: [], standby: ['1.0.0'] });
  await direct.promote();
  await direct.takeBack();
  expect(await stateOf(world.db(), first)).toMatchObject({ champion: null, variants: [], stages: { '1.0.0': 'Archived' } });
});

test('a stale take-back of an older rollout leaves the newer one alone', async () => {
  const model = await liveModel(world.db(), '1.0.1', '1.0.2');
  const old = await canary(model, '1.0.1');
  await world.store().rollback({ model, by: 'bob', reason: 'looks wrong', requestId: 'r' });
  await canary(model, '1.0.2');
  const before = await stateOf(world.db(), model);
  await old.takeBack();
  expect(await stateOf(world.db(), model)).toEqual(before);
});

test('rollback goes back one version at a time, long after the rollout, and answers a repeat the same', async () => {
  const model = await liveModel(world.db(), '1.0.1', '1.0.2');
  const store = world.store();
  await goLive(store, { model, version: '1.0.1', champion: '1.0.0' });
  await goLive(store, { model, version: '1.0.2', champion: '1.0.1' });
  const request = { model, by: 'bob', reason: 'complaints', requestId: 'one' };
  const answers = await Promise.all(Array.from({ length: 5 }, () => store.rollback(request)));
  for (const answer of answers) expect(answer).toEqual({ from: '1.0.2', to: '1.0.1', generation: 4 });
  expect(await expectLive(model, '1.0.1')).toMatchObject({ previous: '1.0.0', standby: ['1.0.0'], stages: { '1.0.2': 'Archived' } });
  expect(await openInvestigations(world.db(), { model })).toMatchObject([{ version: '1.0.2', openedBy: 'bob' }]);
  expect(await store.rollback({ ...request, requestId: 'two' })).toMatchObject({ from: '1.0.1', to: '1.0.0' });
  await expectLive(model, '1.0.0');
  await expect(store.rollback({ ...request, requestId: 'three' })).rejects.toMatchObject({
    type: 'Conflict',
    message: expect.stringContaining('no version before it'),
  });
  await expect(store.rollback({ ...request, model: freshModel() })).rejects.toMatchObject({
    type: 'Conflict',
    message: expect.stringContaining('Nothing'),
  });
});

test('going back passes over a version under investigation', async () => {
  const model = await liveModel(world.db(), '1.0.1', '1.0.2', '1.0.3');
  const store = world.store();
  await goLive(store, { model, version: '1.0.1', champion: '1.0.0' });
  await goLive(store, { model, version: '1.0.2', champion: '1.0.1' });
  await store.rollback({ model, by: 'bob', reason: 'bad', requestId: 'one' });
  await store.rollback({ model, by: 'bob', reason: 'bad too', requestId: 'two' });
  expect(await expectLive(model, '1.0.0')).toMatchObject({ previous: null });
  await goLive(store, { model, version: '1.0.3', champion: '1.0.0' });
  expect(await store.rollback({ model, by: 'bob', reason: 'again', requestId: 'three' })).toMatchObject({ to: '1.0.0' });
});

test('a rollback that races with a promotion wins, whichever comes first', async () => {
  for (let round = 0; round < 12; round += 1) {
    const model = await liveModel(world.db(), '1.0.1');
    const rollout = await canary(model, '1.0.1');
    const rollback = () => world.store().rollback({ model, by: 'bob', reason: 'stop', requestId: 'r' });
    const first = round % 2 === 0 ? rollout.promote() : rollback();
    const second = round % 2 === 0 ? rollback() : rollout.promote();
    const [promotion, rolled] = await Promise.allSettled(round % 2 === 0 ? [first, second] : [second, first]);
    expect(rolled).toMatchObject({ status: 'fulfilled', value: { from: '1.0.1', to: '1.0.0' } });
    if (promotion?.status === 'rejected') expect(promotion.reason).toMatchObject({ type: 'Conflict' });
    await expectLive(model, '1.0.0');
    expect(await openInvestigations(world.db(), { model })).toMatchObject([{ version: '1.0.1' }]);
    await world.store().end({
      model,
      version: '1.0.1',
      promotionId: rollout.promotionId,
      outcome: 'promoted',
      reason: 'its workflow has not heard yet',
      steps: [],
    });
    const row = await world
      .db()
      .selectFrom('rollouts')
      .select('status')
      .where('promotion_id', '=', rollout.promotionId)
      .executeTakeFirstOrThrow();
    expect(row.status).toBe('rolledBack');
  }
});

test('whatever is done at once to a model, it has one champion and a route that agrees', async () => {
  const model = await liveModel(world.db(), '1.0.1', '1.0.2');
  const store = world.store();
  await goLive(store, { model, version: '1.0.1', champion: '1.0.0' });
  const rollout = await canary(model, '1.0.2', '1.0.1');
  const step = { model, promotionId: rollout.promotionId, champion: '1.0.1', challenger: '1.0.2', share: 0.5, shadow: false };
  await Promise.allSettled([
    ...Array.from({ length: 20 }, (_, index) => store.applyRoute({ ...step, stepIndex: index + 1 })),
    rollout.promote(),
    store.rollback({ model, by: 'bob', reason: 'one', requestId: 'one' }),
    rollout.takeBack(),
    store.rollback({ model, by: 'bob', reason: 'two', requestId: 'two' }),
  ]);
  const { champion } = await stateOf(world.db(), model);
  await expectLive(model, champion!);
  const changes = await world
    .db()
    .selectFrom('route_changes')
    .select('generation')
    .where('model', '=', model)
    .orderBy('generation')
    .execute();
  expect(changes.map(({ generation }) => generation)).toEqual(changes.map((_, index) => index + 1));
});
