import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, expect, test } from 'vitest';
import { createTemporalActivities } from '../../activities/temporal.activities.js';
import { workflowIds } from '../../contracts/ids.js';
import { decideUpdate, lifecycleStatusQuery, pauseUpdate, resumeUpdate, retrainUpdate, rollbackUpdate } from '../../contracts/lifecycle.js';
import { abortUpdate, promoteUpdate } from '../../contracts/rollout.js';
import { taskQueues } from '../../contracts/task-queues.js';
import { rolloutPlans } from '../../domain/rollout-plans.js';
import { type AllActivities, type FakeWorld, look, nothingYet, tinyDefinition } from './fake-activities.js';
import { fileOf, importing } from './imports.js';
import { historiesFolder } from './histories.js';
import { startRollout } from './rollout-stage.js';
import { until } from './waiting.js';
import { devServerStage } from './world.js';

// Records what this release's workflows write, for the replay test of every later one (record-histories.config.ts says
// how to run it). Never run it again for a release whose histories are committed: they are what a change is held against.
// What a release learns later is a test of its own here, run alone by its name (`-t 'a file that is imported'`).

const { version: release } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
const stage = devServerStage();
const recorded: string[] = [];
const person = { by: 'ann', reason: 'recorded' };
const yes = (version: string) => ({ version, decision: 'approve' as const, ...person });
const handleOf = (workflowId: string) => stage.environment.client.workflow.getHandle(workflowId);
const asked = (world: FakeWorld, count = 1) => until(async () => world.callsOf('requestApproval').length === count);

const folder = `${historiesFolder}${release}`;
mkdirSync(folder, { recursive: true });

/** Who and where it was recorded is nothing to keep, and replay does not look at it. */
function withoutPlace(key: string, value: unknown): unknown {
  if (key === 'stackTrace') return '';
  // An identity and the name of a worker's own queue are `<pid>@<host>`.
  return key === 'identity' || (typeof value === 'string' && /^\d+@/.test(value)) ? 'recorder' : value;
}

async function keep(name: string, workflowId: string, runId?: string): Promise<void> {
  const handle = stage.environment.client.workflow.getHandle(workflowId, runId);
  const { type } = await handle.describe();
  const history = await handle.fetchHistory();
  const file = `${type}-${name}.json.gz`;
  writeFileSync(`${folder}/${file}`, gzipSync(JSON.stringify({ workflowId, workflowType: type, history }, withoutPlace), { level: 9 }));
  recorded.push(file);
}

/** A clock that its waiters themselves move on, so that hours take no time. */
function drivenClock(): Partial<AllActivities> {
  let nowMs = Date.UTC(2011, 10, 1);
  return {
    readClock: async () => ({ nowMs }),
    awaitClock: async ({ untilMs }) => {
      nowMs = Math.max(nowMs, untilMs);
      return { nowMs };
    },
  };
}

async function run(world: FakeWorld, asOf?: number) {
  const answer = await handleOf(workflowIds.model(world.model)).executeUpdate(retrainUpdate, {
    args: [{ ...person, ...(asOf === undefined ? {} : { asOf }) }],
  });
  if (answer.kind !== 'started') throw new Error(JSON.stringify(answer));
  return handleOf(answer.workflowId);
}

test('a whole run: trained, approved, rolled out, promoted', async () => {
  const world = stage.use(drivenClock());
  await stage.lifecycle(world, { clock: { kind: 'driven', name: 'rehearsal' } });
  const lifecycle = handleOf(workflowIds.model(world.model));
  const retrain = await run(world);
  await asked(world);
  await lifecycle.executeUpdate(decideUpdate, { args: [yes('1.0.1')] });
  expect(await retrain.result()).toMatchObject({ outcome: 'promoted' });
  await keep('promoted', retrain.workflowId);
  await keep('in-lanes', workflowIds.tune(world.model, retrain.workflowId.split(':')[2] ?? ''));
  await keep('driven-clock', workflowIds.rollout(world.model, '1.0.1'));
  await keep('one-run', lifecycle.workflowId);
});

test('a lifecycle that continues as new with a run in flight and one that waits, then rolls back', async () => {
  const world = stage.use({
    trainModel: async () => {
      throw nothingYet();
    },
  });
  const { firstExecutionRunId } = await stage.lifecycle(world, { messagesBeforeContinueAsNew: 4 });
  const lifecycle = handleOf(workflowIds.model(world.model));
  const first = await run(world, 1);
  await lifecycle.executeUpdate(retrainUpdate, { args: [{ ...person, asOf: 2 }] });
  await lifecycle.executeUpdate(pauseUpdate, { args: [person] });
  await lifecycle.executeUpdate(resumeUpdate, { args: [person] });
  await until(async () => (await lifecycle.describe()).runId !== firstExecutionRunId);
  await first.cancel();
  await until(async () => (await lifecycle.query(lifecycleStatusQuery)).state.queue.length === 0);
  await lifecycle.executeUpdate(rollbackUpdate, { args: [person] });
  await keep('continued', lifecycle.workflowId, firstExecutionRunId);
  await keep('after-continue', lifecycle.workflowId);
  await keep('cancelled', first.workflowId);
});

test('a file that is imported, one that waits behind it, and one that is refused', async () => {
  const world = stage.use({ ...drivenClock(), ...importing() });
  await stage.lifecycle(world, { clock: { kind: 'driven', name: 'rehearsal' } });
  const lifecycle = handleOf(workflowIds.model(world.model));
  const bring = async (name: string) =>
    await lifecycle.executeUpdate(retrainUpdate, { args: [{ ...person, asOf: 1, imported: fileOf(name) }] });
  const look = world.activities.evaluateImport;
  let waits = true;
  world.activities.evaluateImport = async (input) => {
    if (waits) throw nothingYet(100);
    return await look(input);
  };
  const first = await bring('first.onnx');
  const second = await bring('second.onnx');
  if (first.kind !== 'started' || second.kind !== 'queued') throw new Error(JSON.stringify([first, second]));
  expect(await lifecycle.executeUpdate(retrainUpdate, { args: [person] })).toMatchObject({ kind: 'refused' });
  waits = false;
  await asked(world, 2);
  await lifecycle.executeUpdate(decideUpdate, { args: [yes('1.0.2')] });
  expect(await handleOf(second.workflowId).result()).toMatchObject({ outcome: 'promoted' });
  expect(await handleOf(first.workflowId).result()).toMatchObject({ outcome: 'superseded' });
  await keep('imported', second.workflowId);
  await keep('imports', lifecycle.workflowId);
});

test('runs that end early, and a newer version that supersedes', async () => {
  const quick = { ...tinyDefinition, approval: { expiresAfterMs: 1_000 } };
  const strict = { ...tinyDefinition, gates: [{ kind: 'maximum' as const, metric: 'mape', limit: 0.01, minRows: 10 }] };
  const world = stage.use();
  const plain = world.activities.beginRun;
  const lifecycle = await stage.lifecycle(world);
  const older = await run(world, 1);
  await asked(world);
  await run(world, 2);
  await asked(world, 2);
  await lifecycle.executeUpdate(decideUpdate, { args: [yes('1.0.2')] });
  expect(await older.result()).toMatchObject({ outcome: 'superseded' });
  await until(async () => world.callsOf('watchStep').length === 1);
  await lifecycle.executeUpdate(rollbackUpdate, { args: [person] });
  await until(async () => (await lifecycle.query(lifecycleStatusQuery)).state.rollout === null);
  await keep('superseded', older.workflowId);
  await keep('cancelled-by-rollback', workflowIds.rollout(world.model, '1.0.2'));

  const rejected = await run(world, 3);
  await asked(world, 3);
  await lifecycle.executeUpdate(decideUpdate, { args: [{ ...yes('1.0.3'), decision: 'reject' }] });
  expect(await rejected.result()).toMatchObject({ outcome: 'rejected' });
  await keep('rejected', rejected.workflowId);

  for (const [name, definition] of [
    ['expired', quick],
    ['gateRefused', strict],
  ] as const) {
    world.activities.beginRun = async (input) => ({ ...(await plain(input)), published: { digest: 'sha256:other', definition } });
    const ended = await run(world, name.length);
    expect(await ended.result()).toMatchObject({ outcome: name });
    await keep(name, ended.workflowId);
  }
  world.activities.beginRun = plain;
  world.activities.extractWindow = async () => {
    throw ApplicationFailure.nonRetryable('the window is empty', 'DataInvalid');
  };
  const failed = await run(world, 99);
  await expect(failed.result()).rejects.toThrow();
  await keep('failed', failed.workflowId);
  await keep('many-runs', lifecycle.workflowId);
});

test('rollouts that end by a breach, by hand, and after the switch', async () => {
  const breach = await startRollout(stage, { watchStep: async (input) => look('fail', input.step) });
  await breach.handle.result();
  await keep('breach', breach.handle.workflowId);

  for (const command of [promoteUpdate, abortUpdate]) {
    const byHand = await startRollout(stage);
    await until(async () => byHand.world.callsOf('watchStep').length === 1);
    await byHand.handle.executeUpdate(command, { args: [person] });
    await byHand.handle.result();
    await keep(`by-hand-${command.name}`, byHand.handle.workflowId);
  }

  let tests = 0;
  const smokeTest: AllActivities['smokeTest'] = async () => ({ outcome: ++tests === 1 ? 'pass' : 'fail', checks: [], reason: 'seen live' });
  const switched = await startRollout(stage, { smokeTest }, { plan: rolloutPlans['blue-green'] });
  await switched.handle.result();
  await keep('blue-green-back', switched.handle.workflowId);

  const shadow = await startRollout(stage, drivenClock(), {
    plan: rolloutPlans['shadow-then-canary'],
    clock: { kind: 'driven', name: 'r' },
  });
  await shadow.handle.result();
  await keep('shadow-then-canary', shadow.handle.workflowId);
});

test('a trigger of a schedule, and one that is refused', async () => {
  const { client } = stage.environment;
  const world = stage.use({
    requestRetrain: async (request) => createTemporalActivities({ client }).requestRetrain(request),
    awaitRun: async ({ workflowId }) => createTemporalActivities({ client }).awaitRun({ workflowId }),
    checkData: async () => {
      throw ApplicationFailure.nonRetryable('column cnt is missing', 'DataInvalid');
    },
  });
  const args = [{ model: world.model, clock: { kind: 'live' }, trigger: 'schedule', reason: 'daily', by: 'schedule' }];
  const action = {
    type: 'startWorkflow',
    workflowType: 'trigger',
    workflowId: `trigger:${world.model}:daily`,
    taskQueue: taskQueues.lifecycle,
    args,
  } as const;
  const schedule = await client.schedule.create({
    scheduleId: `schedule:${world.model}:daily`,
    spec: { calendars: [{ hour: 2, minute: 0 }] },
    action,
    state: { paused: true },
  });
  const slot = Date.UTC(2011, 10, 1, 2);
  await schedule.backfill({ start: new Date(slot - 60_000), end: new Date(slot + 60_000), overlap: 'ALLOW_ALL' });
  await until(async () => (await schedule.describe()).info.recentActions.length === 1);
  const [fired] = (await schedule.describe()).info.recentActions;
  const trigger = handleOf(fired?.action.type === 'startWorkflow' ? fired.action.workflow.workflowId : '');
  expect(await trigger.result()).toMatchObject({ outcome: 'failed' });
  await keep('backfilled', trigger.workflowId);
  await schedule.delete();

  const refused = stage.use();
  const workflowId = `trigger:${refused.model}:x`;
  await client.workflow.execute('trigger', { workflowId, taskQueue: taskQueues.lifecycle, args: [{ ...args[0], model: refused.model }] });
  await keep('refused', workflowId);
});

test('an upkeep, and one of which a part fails', async () => {
  const { client } = stage.environment;
  const world = stage.use();
  const upkeep = async (workflowId: string) => client.workflow.execute('upkeep', { workflowId, taskQueue: taskQueues.lifecycle, args: [] });
  expect(await upkeep(`upkeep-${world.model}-1`)).toMatchObject({ captures: [{ captures: 5_007 }] });
  await keep('complete', `upkeep-${world.model}-1`);
  world.activities.removeCaptureFiles = async () => {
    throw ApplicationFailure.nonRetryable('the bucket refuses', 'Unavailable');
  };
  await expect(upkeep(`upkeep-${world.model}-2`)).rejects.toThrow();
  await keep('incomplete', `upkeep-${world.model}-2`);
});

afterAll(() => console.log(`recorded in test/histories/${release}: ${recorded.join(', ')}`));
