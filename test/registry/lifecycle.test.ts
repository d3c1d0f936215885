import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, test } from 'vitest';
import { createApprovalActivities } from '../../activities/approval.activities.js';
import { createLifecycleActivities } from '../../activities/lifecycle.activities.js';
import { verifyDecision } from '../../adapters/keys/decision-signature.js';
import { createApprovalStore } from '../../adapters/postgres/approval-store.js';
import { auditTrail } from '../../adapters/postgres/audit-queries.js';
import { createLifecycleStore } from '../../adapters/postgres/lifecycle-store.js';
import { modelStatus } from '../../adapters/postgres/registry-queries.js';
import { createRolloutStore } from '../../adapters/postgres/serving/rollout-store.js';
import { createRunMetrics } from '../../adapters/postgres/run-metrics.js';
import { metricCurve, showRun } from '../../adapters/postgres/run-queries.js';
import { createStepCache } from '../../adapters/postgres/step-cache.js';
import { showVersion } from '../../adapters/postgres/version-queries.js';
import { rolloutPlans } from '../../domain/rollout-plans.js';
import { asOfMs, registryWorld, resultOf } from './world.js';

const world = registryWorld();
const lifecycle = () => createLifecycleActivities({ lifecycle: createLifecycleStore(world.db()) });
const approvals = () => createApprovalActivities({ approvals: createApprovalStore(world.db()), verifyDecision });

/** Asks for approval of a registered version; the first of a model is approved by policy. */
const ask = (model: string, version: string, { run, firstVersion }: { run: string; firstVersion: boolean }) =>
  approvals().requestApproval({
    model,
    version,
    run,
    risk: 'limited',
    riskReason: 'declared',
    requestedBy: 'ann',
    plan: rolloutPlans.fast,
    gates: [],
    metrics: [],
    championMetrics: [],
    expiresAfterMs: 60_000,
    firstVersion,
  });

async function goLive(model: string, version: string): Promise<void> {
  const store = createRolloutStore(world.db());
  const { plan, limits, champion, attempt, run } = await lifecycle().planRollout({ model, version, requestedBy: 'ann' });
  const promotionId = `${model}:${version}:${attempt}`;
  await store.begin({ model, version, champion, promotionId, run, plan, limits, clock: { kind: 'live' }, requestedBy: 'ann' });
  await store.promote({ model, version, champion, promotionId, by: 'ann', reason: 'test' });
  await store.end({ model, version, promotionId, outcome: 'promoted', reason: 'test', steps: [] });
}

test('a lifecycle is rebuilt from its rows: counter, pause, runs in each phase, the rollout', async () => {
  const published = await world.publish();
  const { model } = published;
  expect(await lifecycle().loadLifecycle({ model })).toEqual({ runCount: 0, lastRunAsOfMs: null, paused: null, active: [], rollout: null });

  const first = await world.register(published, '2011-10-01t00-1');
  await ask(model, first, { run: '2011-10-01t00-1', firstVersion: true });
  await goLive(model, first);
  await world.activities().endRun(resultOf({ model, run: '2011-10-01t00-1' }, { version: first }));
  const second = await world.register(published, '2011-11-01t00-2');
  await ask(model, second, { run: '2011-11-01t00-2', firstVersion: false });
  const third = await world.register(published, '2011-11-02t00-3');
  await ask(model, third, { run: '2011-11-02t00-3', firstVersion: true });
  await world.begin(published, '2011-11-03t00-9', { asOfMs: asOfMs + 1_000, trigger: 'schedule', requestedBy: 'schedule' });
  const record = await lifecycle().loadLifecycle({ model });
  expect(record).toMatchObject({ runCount: 9, lastRunAsOfMs: asOfMs + 1_000, paused: null, rollout: null });
  expect(record.active).toEqual([
    { run: '2011-11-01t00-2', asOfMs, trigger: 'manual', requestedBy: 'ann', phase: 'awaitingApproval', version: second },
    { run: '2011-11-02t00-3', asOfMs, trigger: 'manual', requestedBy: 'ann', phase: 'awaitingRollout', version: third },
    { run: '2011-11-03t00-9', asOfMs: asOfMs + 1_000, trigger: 'schedule', requestedBy: 'schedule', phase: 'training', version: null },
  ]);

  const planned = await lifecycle().planRollout({ model, version: third, requestedBy: 'ann' });
  expect(planned).toMatchObject({
    champion: first,
    attempt: 1,
    run: '2011-11-02t00-3',
    plan: { name: published.definition.rollout.plan },
    limits: published.definition.rollout.limits,
  });
  const promotionId = `${model}:${third}:1`;
  await createRolloutStore(world.db()).begin({
    model,
    version: third,
    promotionId,
    ...planned,
    clock: { kind: 'live' },
    requestedBy: 'ann',
  });
  const rolling = await lifecycle().loadLifecycle({ model });
  expect(rolling.rollout).toEqual({ version: third, champion: first, promotionId, run: '2011-11-02t00-3' });
  expect(rolling.active.map(({ phase }) => phase)).toEqual(['awaitingApproval', 'rollingOut', 'training']);
  await expect(lifecycle().planRollout({ model, version: third, requestedBy: 'ann' })).rejects.toMatchObject({
    type: 'Conflict',
    message: expect.stringContaining(promotionId),
  });

  const status = await modelStatus(world.db(), model);
  expect(status).toMatchObject({
    aliases: { champion: first },
    waiting: [{ version: second }],
    rollout: { promotionId },
    openInvestigations: [],
  });
  expect((await showVersion(world.db(), { model, version: third })).rollouts).toMatchObject([{ promotionId, status: 'running' }]);
});

test('what cannot be rolled out says why and what to do', async () => {
  const published = await world.publish();
  const { model } = published;
  const plan = (version: string) => lifecycle().planRollout({ model, version, requestedBy: 'ann' });
  await expect(plan('1.0.0')).rejects.toMatchObject({ type: 'Conflict', message: expect.stringContaining('./perennial versions') });
  const refused = await world.register(published, 'r-1', { refused: 'MAPE 16.1%' });
  await expect(plan(refused)).rejects.toMatchObject({ type: 'NotApproved', message: expect.stringContaining('MAPE 16.1%') });
  const waiting = await world.register(published, 'r-2');
  await expect(plan(waiting)).rejects.toMatchObject({ type: 'NotApproved', message: expect.stringContaining('nobody was asked') });
  await ask(model, waiting, { run: 'r-2', firstVersion: false });
  await expect(plan(waiting)).rejects.toMatchObject({
    type: 'NotApproved',
    message: expect.stringContaining(`./perennial approve ${model} ${waiting}`),
  });
  await approvals().settleApproval({ model, version: waiting, status: 'expired', reason: 'late' });
  await expect(plan(waiting)).rejects.toMatchObject({ type: 'NotApproved', message: expect.stringContaining('nobody decided in time') });

  const live = await world.register(published, 'r-3');
  await ask(model, live, { run: 'r-3', firstVersion: true });
  expect(await plan(live)).toMatchObject({ plan: { name: 'direct' }, champion: null });
  await goLive(model, live);
  await expect(plan(live)).rejects.toMatchObject({ type: 'Conflict', message: expect.stringContaining('live already') });
  await world
    .db()
    .insertInto('investigations')
    .values({ id: `${model}-1`, model, version: live, opened_by: 'ann', reason: 'errors at 5%' })
    .execute();
  await world.db().updateTable('aliases').set({ version: waiting }).where('model', '=', model).where('alias', '=', 'champion').execute();
  await expect(plan(live)).rejects.toMatchObject({ type: 'Conflict', message: expect.stringContaining('errors at 5%') });
  expect((await modelStatus(world.db(), model)).openInvestigations).toEqual([{ version: live, reason: 'errors at 5%' }]);
  await expect(modelStatus(world.db(), 'nobody')).rejects.toMatchObject({ type: 'Conflict' });
});

test('a pause outlives the workflow, and a retried activity writes one entry', async () => {
  const { model } = await world.publish();
  const paused = { by: 'ann', reason: 'holidays', atMs: 1_700_000_000_000 };
  const attempt = (activityId: string, work: () => Promise<void>) =>
    new MockActivityEnvironment({ activityId, workflowExecution: { workflowId: `model:${model}`, runId: 'run-1' } }).run(work);
  const pause = () => lifecycle().setPaused({ model, paused, by: 'ann', reason: 'holidays' });
  await attempt('1', pause);
  await attempt('1', pause);
  expect((await lifecycle().loadLifecycle({ model })).paused).toEqual(paused);
  await attempt('2', () => lifecycle().setPaused({ model, paused: null, by: 'bob', reason: 'back' }));
  expect((await lifecycle().loadLifecycle({ model })).paused).toBeNull();
  const refuse = () =>
    lifecycle().audit({
      model,
      action: 'rollback',
      by: 'bob',
      outcome: 'refused',
      reason: 'nothing to go back to',
      details: { requestId: 'x' },
    });
  await attempt('3', refuse);
  await attempt('3', refuse);
  await attempt('4', refuse);
  const trail = await auditTrail(world.db(), { model });
  expect(trail.filter(({ action }) => action !== 'definition.publish').map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
    'rollback refused',
    'rollback refused',
    'resume done',
    'pause done',
  ]);
});

test('curves of a run keep one point a step, and a figure that is none is none', async () => {
  const published = await world.publish();
  const { model, run } = await world.begin(published, 'r-1');
  const metrics = createRunMetrics(world.db());
  const point = (step: number, value: number) => ({ name: 'train/mape', step, value, atMs: 1_000 * step });
  await metrics.log({ model, run, metrics: [] });
  await metrics.log({ model, run, metrics: [point(1, 0.5), point(2, 0.4), point(2, 0.41)] });
  await metrics.log({ model, run, metrics: [point(2, 0.42), point(3, Number.NaN), { ...point(1, 9), name: 'trial-000/mape' }] });
  expect((await metricCurve(world.db(), { model, run, name: 'train/mape' })).map(({ value }) => value)).toEqual([0.5, 0.42, null]);
  expect((await showRun(world.db(), { model, run })).metrics).toMatchObject([
    { name: 'train/mape', step: 3, value: null },
    { name: 'trial-000/mape', step: 1, value: 9 },
  ]);
});

test('the step cache finds the newest answer of a key', async () => {
  const cache = createStepCache(world.db());
  const entry = {
    key: 'sha256:k',
    step: 'features',
    model: 'demand',
    run: 'r-1',
    inputs: { rows: 3 },
    output: { digest: 'sha256:a', list: [1, null] },
  };
  expect(await cache.find(entry.key)).toBeNull();
  await Promise.all([cache.store(entry), cache.store(entry)]);
  expect(await cache.find(entry.key)).toEqual({ output: entry.output, run: 'r-1' });
  await cache.store({ ...entry, run: 'r-2' });
  expect((await cache.find(entry.key))!.run).toBe('r-2');
});
