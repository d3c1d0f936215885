import { ApplicationFailure } from '@temporalio/common';
import type { WorkflowHandle } from '@temporalio/client';
import { describe, expect, test } from 'vitest';
import type { LifecycleRecord } from '../../contracts/activities.js';
import { workflowIds } from '../../contracts/ids.js';
import {
  decideUpdate,
  type LifecycleState,
  lifecycleStatusQuery,
  pauseUpdate,
  promoteVersionUpdate,
  type RetrainAnswer,
  type RetrainRequest,
  resumeUpdate,
  retrainSignal,
  retrainUpdate,
  rollbackUpdate,
} from '../../contracts/lifecycle.js';
import type { RunResult } from '../../contracts/retrain.js';
import type { RolloutResult } from '../../contracts/rollout.js';
import { rolloutPlans } from '../../domain/rollout-plans.js';
import { type AllActivities, type FakeWorld, hourMs, look, nothingYet, tinyDefinition } from './fake-activities.js';
import { until } from './waiting.js';
import { devServerStage } from './world.js';

const stage = devServerStage();
const day1 = Date.UTC(2011, 9, 1);
const day2 = day1 + 24 * hourMs;
const person = { by: 'ann', reason: 'a test' };

/** A trainer that does not come to its end. */
const training: Partial<AllActivities> = {
  trainModel: async () => {
    throw nothingYet();
  },
};

const handleOf = (workflowId: string): WorkflowHandle => stage.environment.client.workflow.getHandle(workflowId);
const stateOf = async (lifecycle: WorkflowHandle): Promise<LifecycleState> => (await lifecycle.query(lifecycleStatusQuery)).state;

function start(lifecycle: WorkflowHandle, request: Partial<RetrainRequest> = {}): Promise<RetrainAnswer> {
  return lifecycle.executeUpdate(retrainUpdate, { args: [{ ...person, ...request }] });
}

/** A run that this test knows to have begun. */
async function started(lifecycle: WorkflowHandle, request: Partial<RetrainRequest> = {}) {
  const answer = await start(lifecycle, request);
  if (answer.kind !== 'started') throw new Error(`expected a start, got ${JSON.stringify(answer)}`);
  return answer;
}

const yes = (version: string) => ({ version, decision: 'approve' as const, by: 'ann', reason: 'looks good' });
const asked = (world: FakeWorld, count: number) => until(async () => world.callsOf('requestApproval').length === count);

describe('a trigger', () => {
  test('with the same request id gets the same answer, and one run', async () => {
    const world = stage.use(training);
    const lifecycle = await stage.lifecycle(world);
    const first = await started(lifecycle, { requestId: 'r-1' });
    expect(await start(lifecycle, { requestId: 'r-1' })).toEqual(first);
    expect((await stateOf(lifecycle)).active).toHaveLength(1);
  });

  test('for a slot that has a run already is a duplicate of it', async () => {
    const world = stage.use(training);
    const lifecycle = await stage.lifecycle(world);
    const { run, workflowId } = await started(lifecycle, { trigger: 'schedule', asOf: day1 });
    expect(await start(lifecycle, { trigger: 'schedule', asOf: day1 })).toEqual({ kind: 'duplicate', run, workflowId });
    expect(await start(lifecycle, { trigger: 'backfill', asOf: day1 })).toEqual({ kind: 'duplicate', run, workflowId });
  });

  test('behind a run that trains is queued, and starts when that one has ended', async () => {
    const world = stage.use(training);
    const lifecycle = await stage.lifecycle(world);
    const first = await started(lifecycle, { asOf: day1 });
    const second = await start(lifecycle, { asOf: day2 });
    expect(second).toMatchObject({ kind: 'queued', behind: first.run });
    expect((await stateOf(lifecycle)).queue).toMatchObject([{ asOfMs: day2 }]);
    await handleOf(first.workflowId).cancel();
    await until(async () => {
      const { active, queue } = await stateOf(lifecycle);
      return queue.length === 0 && active.length === 1 && active[0]?.asOfMs === day2;
    });
    await until(async () => world.callsOf('beginRun').length === 2);
    expect(world.callsOf('beginRun')).toMatchObject([{ asOfMs: day1 }, { asOfMs: day2 }]);
    expect((await stateOf(lifecycle)).lastResult).toMatchObject({ run: first.run, outcome: 'failed', reason: 'cancelled' });
  });

  test('behind a run that waits for people does not wait', async () => {
    const world = stage.use();
    const lifecycle = await stage.lifecycle(world);
    await started(lifecycle, { asOf: day1 });
    await asked(world, 1);
    await started(lifecycle, { asOf: day2 });
  });

  test('of a schedule keeps the cool-down; a person does not', async () => {
    const world = stage.use(training);
    const lifecycle = await stage.lifecycle(world);
    const { workflowId } = await started(lifecycle, { asOf: day1 });
    await handleOf(workflowId).cancel();
    await until(async () => (await stateOf(lifecycle)).active.length === 0);
    const soon = day1 + 19 * hourMs;
    expect(await start(lifecycle, { trigger: 'schedule', asOf: soon })).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('cool-down'),
    });
    expect(await start(lifecycle, { asOf: soon })).toMatchObject({ kind: 'started' });
    expect(world.callsOf('audit')).toMatchObject([{ action: 'retrain', outcome: 'refused', by: 'ann' }]);
  });

  test('on a paused model is refused and audited, by signal too, until it is resumed', async () => {
    const world = stage.use(training);
    const lifecycle = await stage.lifecycle(world);
    expect(await lifecycle.executeUpdate(pauseUpdate, { args: [{ by: 'bob', reason: 'the source is broken' }] })).toMatchObject({
      accepted: true,
    });
    expect(await lifecycle.executeUpdate(pauseUpdate, { args: [person] })).toEqual({ accepted: false, reason: 'it is paused already' });
    expect(await start(lifecycle)).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('paused by bob: the source is broken'),
    });
    await lifecycle.signal(retrainSignal, person);
    await until(async () => world.callsOf('audit').filter((entry) => entry.outcome === 'refused').length === 2);
    expect(await lifecycle.executeUpdate(resumeUpdate, { args: [person] })).toMatchObject({ accepted: true });
    expect(world.callsOf('setPaused')).toMatchObject([{ paused: { by: 'bob' } }, { paused: null }]);
    await started(lifecycle);
  });

  test('that waits when the model is paused stays in the queue until it is resumed', async () => {
    const world = stage.use(training);
    const lifecycle = await stage.lifecycle(world);
    const first = await started(lifecycle, { asOf: day1 });
    await start(lifecycle, { asOf: day2 });
    await lifecycle.executeUpdate(pauseUpdate, { args: [person] });
    await handleOf(first.workflowId).cancel();
    await until(async () => (await stateOf(lifecycle)).active.length === 0);
    expect((await stateOf(lifecycle)).queue).toHaveLength(1);
    await lifecycle.executeUpdate(resumeUpdate, { args: [person] });
    await until(async () => (await stateOf(lifecycle)).active[0]?.asOfMs === day2);
  });

  test('without who and why is turned away', async () => {
    const lifecycle = await stage.lifecycle(stage.use());
    await expect(start(lifecycle, { by: '' })).rejects.toThrow();
    await expect(start(lifecycle, { asOf: Number.NaN })).rejects.toThrow();
  });

  test('while the registry is away is refused with the reason', async () => {
    const away: Partial<AllActivities> = {
      activeDefinition: async () => {
        throw ApplicationFailure.create({ message: 'Postgres does not answer on port 8432', type: 'Unavailable' });
      },
    };
    const lifecycle = await stage.lifecycle(stage.use(away));
    expect(await start(lifecycle)).toEqual({ kind: 'refused', reason: 'Postgres does not answer on port 8432' });
  });

  test('whose run cannot be started is refused, and leaves the model free', async () => {
    const world = stage.use(training);
    const taken = workflowIds.retrain(world.model, '2011-10-01t00-1');
    await stage.environment.client.workflow.start('tune', { workflowId: taken, taskQueue: 'nobody', args: [] });
    const lifecycle = await stage.lifecycle(world);
    expect(await start(lifecycle, { asOf: day1 })).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('could not be started'),
    });
    expect(await start(lifecycle, { asOf: day1 })).toMatchObject({ kind: 'started', run: '2011-10-01t00-2' });
  });
});

describe('a run', () => {
  test('that was terminated frees the model', async () => {
    const lifecycle = await stage.lifecycle(stage.use(training));
    const { workflowId } = await started(lifecycle);
    await handleOf(workflowId).terminate();
    await until(async () => (await stateOf(lifecycle)).active.length === 0);
    await started(lifecycle);
  });

  test('goes on when the lifecycle is lost, and its end is not a failure', async () => {
    const world = stage.use({ requestApproval: nobodyIsAsked });
    const lifecycle = await stage.lifecycle(world);
    const strict = { ...tinyDefinition, gates: [{ kind: 'maximum' as const, metric: 'mape', limit: 0.01, minRows: 10 }] };
    const before = world.activities.beginRun;
    let go = (): void => undefined;
    const gone = new Promise<void>((resolve) => (go = resolve));
    world.activities.beginRun = async (input) => {
      await gone;
      return { ...(await before(input)), published: { digest: 'sha256:strict', definition: strict } };
    };
    const { workflowId } = await started(lifecycle);
    await lifecycle.terminate();
    go();
    expect(await handleOf(workflowId).result()).toMatchObject({ outcome: 'gateRefused' });
    expect(world.callsOf('endRun')).toMatchObject([{ outcome: 'gateRefused' }]);
  });
});

const nobodyIsAsked: AllActivities['requestApproval'] = async () => {
  throw ApplicationFailure.nonRetryable('nobody may be asked in this test');
};

describe('a newer version', () => {
  test('that is approved supersedes one that waits for approval', async () => {
    const world = stage.use();
    const lifecycle = await stage.lifecycle(world);
    const older = await started(lifecycle, { asOf: day1 });
    await asked(world, 1);
    await started(lifecycle, { asOf: day2 });
    await asked(world, 2);
    await lifecycle.executeUpdate(decideUpdate, { args: [yes('1.0.2')] });
    expect(await handleOf(older.workflowId).result()).toMatchObject({
      outcome: 'superseded',
      version: '1.0.1',
      reason: '1.0.2 is newer and approved',
    });
    expect(world.callsOf('settleApproval')[0]).toMatchObject({ version: '1.0.1', status: 'superseded' });
    await until(async () => world.callsOf('beginRollout').length === 1);
    expect(world.callsOf('beginRollout')).toMatchObject([{ version: '1.0.2' }]);
  });

  test('rolls out although the older one could not be closed', async () => {
    const world = stage.use({
      settleApproval: async () => {
        throw ApplicationFailure.nonRetryable('no approval was asked for', 'Conflict');
      },
    });
    const lifecycle = await stage.lifecycle(world);
    await started(lifecycle, { asOf: day1 });
    await asked(world, 1);
    await started(lifecycle, { asOf: day2 });
    await asked(world, 2);
    await lifecycle.executeUpdate(decideUpdate, { args: [yes('1.0.2')] });
    await until(async () => (await stateOf(lifecycle)).rollout?.version === '1.0.2');
    expect(world.callsOf('audit')).toMatchObject([{ action: 'lifecycle', outcome: 'failed', reason: 'no approval was asked for' }]);
  });

  test('waits while another rolls out, and supersedes one whose rollout has not begun', async () => {
    const world = stage.use();
    const lifecycle = await stage.lifecycle(world);
    const runs = [];
    for (const [index, asOf] of [day1, day2, day2 + 24 * hourMs].entries()) {
      runs.push(await started(lifecycle, { asOf }));
      await asked(world, index + 1);
      await lifecycle.executeUpdate(decideUpdate, { args: [yes(`1.0.${index + 1}`)] });
      await until(async () => {
        const { rollout, waitingRollout } = await stateOf(lifecycle);
        return (index === 0 ? rollout?.version : waitingRollout?.version) === `1.0.${index + 1}`;
      });
    }
    expect(await handleOf(runs[1]?.workflowId ?? '').result()).toMatchObject({ outcome: 'superseded', version: '1.0.2' });
    expect(world.callsOf('beginRollout')).toMatchObject([{ version: '1.0.1' }]);
    // The first one ends; the third, not the second, comes after it.
    await handleOf(workflowIds.rollout(world.model, '1.0.1')).cancel();
    await until(async () => (await stateOf(lifecycle)).rollout?.version === '1.0.3');
    expect(await handleOf(runs[0]?.workflowId ?? '').result()).toMatchObject({ outcome: 'rolledBack', rollout: { outcome: 'aborted' } });
  });
});

describe('a rollback', () => {
  test('during a rollout takes traffic back and ends it, while a run trains', async () => {
    const world = stage.use();
    const lifecycle = await stage.lifecycle(world);
    const run = await started(lifecycle, { asOf: day1 });
    await asked(world, 1);
    await lifecycle.executeUpdate(decideUpdate, { args: [yes('1.0.1')] });
    await until(async () => world.callsOf('watchStep').length === 1);
    world.activities.trainModel = async () => {
      throw nothingYet();
    };
    await started(lifecycle, { asOf: day2 });
    expect(await lifecycle.executeUpdate(rollbackUpdate, { args: [{ by: 'ann', reason: 'complaints' }] })).toMatchObject({
      accepted: true,
      message: expect.stringContaining('1.0.1 has no traffic any more'),
    });
    expect(world.callsOf('takeBack')[0]).toMatchObject({ version: '1.0.1', champion: '1.0.0', by: 'ann', investigate: true });
    expect(world.callsOf('rollback')).toHaveLength(0);
    expect(await handleOf(run.workflowId).result()).toMatchObject({ outcome: 'rolledBack' });
    expect((await stateOf(lifecycle)).active).toMatchObject([{ phase: 'training', asOfMs: day2 }]);
  });

  test('after a rollout puts the version before it back, while a run trains', async () => {
    const world = stage.use(training);
    const lifecycle = await stage.lifecycle(world);
    await started(lifecycle);
    const request = { by: 'ann', reason: 'complaints', requestId: 'undo-1' };
    expect(await lifecycle.executeUpdate(rollbackUpdate, { args: [request] })).toMatchObject({
      accepted: true,
      message: '1.0.0 serves all traffic again; 1.0.1 was taken back and is under investigation',
    });
    expect(world.callsOf('rollback')).toMatchObject([{ requestId: 'undo-1', by: 'ann' }]);
  });

  test('that finds nothing to go back to is refused with the reason', async () => {
    const rollback: AllActivities['rollback'] = async () => {
      throw ApplicationFailure.nonRetryable('1.0.0 has no version before it', 'Conflict');
    };
    const lifecycle = await stage.lifecycle(stage.use({ rollback }));
    expect(await lifecycle.executeUpdate(rollbackUpdate, { args: [person] })).toEqual({
      accepted: false,
      reason: '1.0.0 has no version before it',
    });
  });
});

describe('a rollout', () => {
  test('starts by hand for an approved version, one at a time', async () => {
    const world = stage.use();
    const lifecycle = await stage.lifecycle(world);
    const promote = (version: string) => lifecycle.executeUpdate(promoteVersionUpdate, { args: [{ ...person, version }] });
    expect(await promote('1.0.7')).toMatchObject({ accepted: true, message: expect.stringContaining(`rollout:${world.model}:1.0.7`) });
    await until(async () => world.callsOf('watchStep').length === 1);
    expect(await promote('1.0.8')).toEqual({
      accepted: false,
      reason: 'version 1.0.7 is rolling out; abort it first or wait for its end',
    });
    expect(world.callsOf('beginRollout')).toMatchObject([
      { version: '1.0.7', run: null, requestedBy: 'ann', promotionId: `${world.model}:1.0.7:1` },
    ]);
  });

  test('of a version that is not approved is refused with the reason', async () => {
    const planRollout: AllActivities['planRollout'] = async () => {
      throw ApplicationFailure.nonRetryable('1.0.9 was rejected by ann', 'NotApproved');
    };
    const lifecycle = await stage.lifecycle(stage.use({ planRollout }));
    expect(await lifecycle.executeUpdate(promoteVersionUpdate, { args: [{ ...person, version: '1.0.9' }] })).toEqual({
      accepted: false,
      reason: '1.0.9 was rejected by ann',
    });
  });

  test('that cannot be planned any more ends the run, audited', async () => {
    const planRollout: AllActivities['planRollout'] = async () => {
      throw ApplicationFailure.nonRetryable('an investigation of 1.0.1 is open', 'Conflict');
    };
    const world = stage.use({ planRollout });
    const lifecycle = await stage.lifecycle(world);
    const run = await started(lifecycle);
    await asked(world, 1);
    await lifecycle.executeUpdate(decideUpdate, { args: [yes('1.0.1')] });
    expect(await handleOf(run.workflowId).result()).toMatchObject({ outcome: 'rolledBack', reason: 'an investigation of 1.0.1 is open' });
    expect(world.callsOf('audit')).toMatchObject([{ action: 'rollout', outcome: 'refused' }]);
  });

  test('that was terminated gives its traffic back, and its run ends failed', async () => {
    const world = stage.use();
    const lifecycle = await stage.lifecycle(world);
    const run = await started(lifecycle);
    await asked(world, 1);
    await lifecycle.executeUpdate(decideUpdate, { args: [yes('1.0.1')] });
    await until(async () => world.callsOf('watchStep').length === 1);
    await handleOf(workflowIds.rollout(world.model, '1.0.1')).terminate();
    expect(await handleOf(run.workflowId).result()).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('terminated') });
    expect(world.callsOf('takeBack')).toMatchObject([{ version: '1.0.1', champion: '1.0.0' }]);
    await until(async () => (await stateOf(lifecycle)).rollout === null);
  });
});

describe('a decision', () => {
  test('that the rules refuse changes nothing', async () => {
    const refusal = { kind: 'refused' as const, reason: 'bob is no approver of tiny' };
    const world = stage.use({ decide: async () => refusal });
    const lifecycle = await stage.lifecycle(world);
    await started(lifecycle);
    await asked(world, 1);
    expect(await lifecycle.executeUpdate(decideUpdate, { args: [{ ...yes('1.0.1'), by: 'bob' }] })).toEqual(refusal);
    expect((await stateOf(lifecycle)).active).toMatchObject([{ phase: 'awaitingApproval', version: '1.0.1' }]);
  });

  test('without a version, or neither yes nor no, is turned away', async () => {
    const lifecycle = await stage.lifecycle(stage.use());
    await expect(lifecycle.executeUpdate(decideUpdate, { args: [yes('')] })).rejects.toThrow();
    await expect(lifecycle.executeUpdate(decideUpdate, { args: [{ ...yes('1.0.1'), decision: 'maybe' as never }] })).rejects.toThrow();
  });
});

describe('continue-as-new', () => {
  test('carries the whole state: a run in flight, one that waits, answers and the count', async () => {
    const world = stage.use(training);
    const lifecycle = await stage.lifecycle(world, { messagesBeforeContinueAsNew: 4 });
    const { firstExecutionRunId } = lifecycle;
    const latest = handleOf(workflowIds.model(world.model));
    const first = await started(latest, { asOf: day1, requestId: 'r-1' });
    const second = await start(latest, { asOf: day2, requestId: 'r-2' });
    await latest.executeUpdate(pauseUpdate, { args: [person] });
    await latest.executeUpdate(resumeUpdate, { args: [person] });
    await until(async () => (await latest.describe()).runId !== firstExecutionRunId);
    const state = await stateOf(latest);
    expect(state).toMatchObject({ runCount: 2, active: [{ run: first.run, phase: 'training' }], queue: [{ asOfMs: day2 }] });
    expect(await start(latest, { asOf: day1, requestId: 'r-1' })).toEqual(first);
    expect(await start(latest, { asOf: day2, requestId: 'r-2' })).toEqual(second);
    expect(world.callsOf('loadLifecycle')).toHaveLength(1);
    // The child lives on, and its end is heard.
    await handleOf(first.workflowId).cancel();
    await until(async () => (await stateOf(latest)).active[0]?.asOfMs === day2);
  });

  test('still hears of a run that is terminated afterwards', async () => {
    const world = stage.use(training);
    let terminated = false;
    world.activities.awaitRun = async () => {
      if (!terminated) throw nothingYet('100 milliseconds');
      return { outcome: 'failed', reason: 'terminated' };
    };
    const lifecycle = await stage.lifecycle(world, { messagesBeforeContinueAsNew: 2 });
    const latest = handleOf(workflowIds.model(world.model));
    const { workflowId } = await started(latest);
    await latest.executeUpdate(pauseUpdate, { args: [person] });
    await until(async () => (await latest.describe()).runId !== lifecycle.firstExecutionRunId);
    await handleOf(workflowId).terminate();
    terminated = true;
    await until(async () => (await stateOf(latest)).active.length === 0);
  });
});

describe('a lifecycle that was lost', () => {
  const record: LifecycleRecord = {
    runCount: 7,
    lastRunAsOfMs: day2,
    paused: null,
    active: [
      { run: 'a-5', asOfMs: day1, trigger: 'schedule', requestedBy: 'schedule', phase: 'training', version: null },
      { run: 'b-6', asOfMs: day1 + 1, trigger: 'schedule', requestedBy: 'schedule', phase: 'awaitingApproval', version: '1.0.6' },
      { run: 'c-7', asOfMs: day2, trigger: 'manual', requestedBy: 'ann', phase: 'training', version: null },
    ],
    rollout: null,
  };
  const ended = { run: 'b-6', outcome: 'rejected', version: '1.0.6', steps: [], rollout: null } as unknown as RunResult;

  test('is rebuilt with what still runs; what ended meanwhile is let go', async () => {
    const world = stage.use({
      loadLifecycle: async () => record,
      describeRun: async ({ workflowId }) =>
        workflowId.endsWith('a-5')
          ? { status: 'absent' }
          : workflowId.endsWith('b-6')
            ? { status: 'completed', result: ended }
            : { status: 'running' },
    });
    const lifecycle = await stage.lifecycle(world);
    const answer = await start(lifecycle, { asOf: day2 + 1 });
    expect(answer).toMatchObject({ kind: 'queued', run: expect.stringMatching(/-8$/), behind: 'c-7' });
    const state = await stateOf(lifecycle);
    expect(state).toMatchObject({
      runCount: 8,
      lastRunAsOfMs: day2,
      active: [{ run: 'c-7' }],
      lastResult: { run: 'b-6', outcome: 'rejected' },
    });
  });

  test('goes on with a rollout that still runs, and hears of its end', async () => {
    const rollout = { version: '1.0.6', champion: '1.0.0', promotionId: 'set below', run: null };
    const world = stage.use({ describeRun: async () => ({ status: 'running' }) });
    rollout.promotionId = `${world.model}:1.0.6:1`;
    world.activities.loadLifecycle = async () => ({ ...record, active: [], rollout });
    const lifecycle = await stage.lifecycle(world);
    expect(await lifecycle.executeUpdate(promoteVersionUpdate, { args: [{ ...person, version: '1.0.5' }] })).toMatchObject({
      accepted: false,
    });
    const closed: RolloutResult = {
      model: world.model,
      version: '1.0.6',
      promotionId: rollout.promotionId,
      outcome: 'promoted',
      reason: '',
      steps: [],
    };
    await lifecycle.signal('rolloutClosed', closed);
    await until(async () => (await stateOf(lifecycle)).rollout === null);
    expect(world.callsOf('takeBack')).toHaveLength(0);
  });

  test.each(['failed', 'absent'] as const)('takes traffic back from a rollout whose workflow is %s', async (status) => {
    const world = stage.use({ describeRun: async () => ({ status }) });
    const rollout = { version: '1.0.6', champion: '1.0.0', promotionId: `${world.model}:1.0.6:1`, run: null };
    world.activities.loadLifecycle = async () => ({ ...record, active: [], rollout });
    const lifecycle = await stage.lifecycle(world);
    await until(async () => world.callsOf('takeBack').length === 1 && (await stateOf(lifecycle)).rollout === null);
    expect(world.callsOf('takeBack')).toMatchObject([{ version: '1.0.6', champion: '1.0.0', promotionId: rollout.promotionId }]);
  });

  test('starts the rollout that an approved run still waits for', async () => {
    const waiting = {
      run: 'c-7',
      asOfMs: day2,
      trigger: 'manual' as const,
      requestedBy: 'ann',
      phase: 'awaitingRollout' as const,
      version: '1.0.7',
    };
    const world = stage.use({
      loadLifecycle: async () => ({ ...record, active: [waiting] }),
      planRollout: async () => ({
        plan: rolloutPlans.direct,
        limits: tinyDefinition.rollout.limits,
        champion: null,
        attempt: 3,
        run: 'c-7',
      }),
      watchStep: async (input) => look('pass', input.step),
    });
    await stage.lifecycle(world);
    await until(async () => world.callsOf('endRollout').length === 1);
    expect(world.callsOf('endRollout')).toMatchObject([{ version: '1.0.7', outcome: 'promoted', promotionId: `${world.model}:1.0.7:3` }]);
  });

  test('that was paused stays paused', async () => {
    const lifecycle = await stage.lifecycle(
      stage.use({ loadLifecycle: async () => ({ ...record, active: [], paused: { by: 'bob', reason: 'holiday', atMs: 1 } }) }),
    );
    expect(await start(lifecycle)).toMatchObject({ kind: 'refused', reason: expect.stringContaining('bob: holiday') });
  });
});
