import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, test } from 'vitest';
import { abortUpdate, promoteUpdate, resumeStepUpdate, rolloutStatusQuery } from '../../contracts/rollout.js';
import type { RolloutPlanName } from '../../domain/rollout-plan.js';
import { choosePlan, rolloutPlans } from '../../domain/rollout-plans.js';
import { type AllActivities, hourMs, look, nothingYet } from './fake-activities.js';
import { breachAfter, ended, holdToDeadline, startRollout } from './rollout-stage.js';
import { until } from './waiting.js';
import { timeSkippingStage } from './world.js';

const stage = timeSkippingStage();
const minuteMs = 60_000;
const ann = { by: 'ann', reason: 'she knows better' };

/** Somebody opens it, and what waits for it goes on. */
function gate(): { wait: () => Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { wait: () => opened, open };
}

describe('a plan that passes', () => {
  const plans: readonly [RolloutPlanName, number][] = [
    ['fast', 2.5 * hourMs],
    ['standard', 42 * hourMs],
    ['slow', 8 * 24 * hourMs],
    ['shadow-then-canary', 24 * hourMs],
    ['blue-green', 0],
    ['direct', 0],
  ];
  test.each(plans)('%s takes its intervals at their real length', async (name, lengthMs) => {
    const plan = rolloutPlans[name];
    const champion = name === 'direct' ? null : '1.0.0';
    const started = await startRollout(stage, {}, { plan, champion });
    const { result, elapsedMs } = await ended(started);
    expect(result).toMatchObject({ outcome: 'promoted', version: '1.0.1' });
    expect(elapsedMs).toBeGreaterThanOrEqual(lengthMs);
    expect(elapsedMs).toBeLessThan(lengthMs + 30 * minuteMs);

    const looked = plan.steps.filter((step) => step.kind !== 'promote');
    expect(result.steps.map((step) => step.step.name)).toEqual(looked.map((step) => step.name));
    const { world } = started;
    const routes = world.callsOf('applyRoute').map(({ share, shadow }) => ({ share, shadow }));
    const expected = plan.steps.map((step) =>
      step.kind === 'canary' ? { share: step.share, shadow: false } : { share: 0, shadow: step.kind === 'shadow' },
    );
    expect(routes).toEqual(
      expected.slice(
        0,
        plan.steps.findIndex((step) => step.kind === 'promote'),
      ),
    );
    expect(world.callsOf('promote')).toHaveLength(1);
    expect(world.callsOf('takeBack')).toHaveLength(0);
    expect(world.callsOf('endRollout')).toHaveLength(1);
  });

  test('has each step begin when the one before is over, and no verdict inside an interval', async () => {
    const started = await startRollout(stage);
    await ended(started);
    const looks = started.world.callsOf('watchStep') as { stepIndex: number; stepStartMs: number; until: string }[];
    const startOf = (index: number) => looks.find((seen) => seen.stepIndex === index)?.stepStartMs ?? Number.NaN;
    expect(startOf(1) - startOf(0)).toBeGreaterThanOrEqual(hourMs);
    expect(startOf(2) - startOf(1)).toBeGreaterThanOrEqual(30 * minuteMs);
    expect(startOf(3) - startOf(2)).toBeGreaterThanOrEqual(30 * minuteMs);
    expect(looks.map((seen) => seen.until)).toEqual(['breach', 'verdict', 'breach', 'verdict', 'breach', 'verdict', 'breach', 'verdict']);
  });

  test('stays on its last step until the soak of a high risk is over', async () => {
    const plan = choosePlan({ named: 'fast', risk: 'high', endpointKind: 'realtime', hasChampion: true });
    const started = await startRollout(stage, {}, { plan });
    const { result, elapsedMs } = await ended(started);
    expect(result.outcome).toBe('promoted');
    expect(elapsedMs).toBeGreaterThanOrEqual(24 * hourMs);
    const looks = started.world.callsOf('watchStep') as { stepIndex: number; stepStartMs: number; deadlineMs: number }[];
    const last = looks.at(-1);
    // Its own half hour comes after 3 hours of the others: the rest of the day is soak.
    expect((last?.stepStartMs ?? 0) - (looks[0]?.stepStartMs ?? 0)).toBeLessThan(4 * hourMs);
  });
});

describe('a rollout that does not pass', () => {
  test('gives traffic back on a breach before the interval is over, and opens an investigation', async () => {
    const started = await startRollout(stage, { watchStep: breachAfter(20 * minuteMs) });
    const { result, elapsedMs } = await ended(started);
    expect(result).toMatchObject({ outcome: 'rolledBack', reason: 'step canary 5% failed: the test says fail' });
    expect(elapsedMs).toBeGreaterThanOrEqual(20 * minuteMs);
    expect(elapsedMs).toBeLessThan(hourMs);
    const { world } = started;
    expect(world.callsOf('takeBack')).toMatchObject([{ version: '1.0.1', champion: '1.0.0', investigate: true, by: 'perennial' }]);
    expect(world.callsOf('recordRolloutStep')).toHaveLength(1);
    expect(world.callsOf('promote')).toHaveLength(0);
  });

  test('that holds until its deadline is rolled back, without an investigation', async () => {
    const started = await startRollout(stage, { watchStep: holdToDeadline() });
    const { result, elapsedMs } = await ended(started);
    expect(result).toMatchObject({ outcome: 'rolledBack', reason: 'step canary 5% held until its deadline: the test says hold' });
    expect(elapsedMs).toBeGreaterThanOrEqual(96 * hourMs);
    expect(started.world.callsOf('takeBack')).toMatchObject([{ investigate: false }]);
  });

  test('that fails its smoke test switches nothing', async () => {
    const smokeTest: AllActivities['smokeTest'] = async () => ({ outcome: 'fail', checks: [], reason: 'it answered NaN' });
    const started = await startRollout(stage, { smokeTest }, { plan: rolloutPlans['blue-green'] });
    const { result } = await ended(started);
    expect(result).toMatchObject({ outcome: 'rolledBack', reason: 'step smoke test before the switch failed: it answered NaN' });
    expect(started.world.callsOf('promote')).toHaveLength(0);
    expect(started.world.callsOf('takeBack')).toHaveLength(1);
    expect(started.world.callsOf('applyRoute')).toMatchObject([{ share: 0, shadow: false }]);
  });

  test('that fails its smoke test after the switch is put back at once', async () => {
    let tests = 0;
    const smokeTest: AllActivities['smokeTest'] = async () => ({
      outcome: ++tests === 1 ? 'pass' : 'fail',
      checks: [],
      reason: 'seen live',
    });
    const started = await startRollout(stage, { smokeTest }, { plan: rolloutPlans['blue-green'] });
    const { result } = await ended(started);
    expect(result).toMatchObject({ outcome: 'rolledBack', reason: 'step smoke test after the switch failed: seen live' });
    const { world } = started;
    expect(world.callsOf('promote')).toHaveLength(1);
    expect(world.callsOf('rollback')).toMatchObject([{ requestId: `${world.model}:1.0.1:1:after`, by: 'perennial' }]);
    expect(world.callsOf('takeBack')).toHaveLength(0);
  });

  test('whose smoke test cannot be made after the switch gives the traffic back and fails', async () => {
    let tests = 0;
    const smokeTest: AllActivities['smokeTest'] = async () => {
      if (++tests === 1) return { outcome: 'pass', checks: [], reason: '' };
      throw ApplicationFailure.create({ message: 'no gateway answers', type: 'Unavailable' });
    };
    const started = await startRollout(stage, { smokeTest }, { plan: rolloutPlans['blue-green'] });
    const { result } = await ended(started);
    expect(result).toMatchObject({ outcome: 'failed', reason: 'no gateway answers' });
    expect(tests).toBe(6);
    expect(started.world.callsOf('takeBack')).toMatchObject([{ investigate: true }]);
  });

  test.each(['ArtifactRejected', 'NotApproved'])('whose version is %s at the promotion is rolled back', async (type) => {
    const promote: AllActivities['promote'] = async () => {
      throw ApplicationFailure.nonRetryable('model.onnx differs from its digest', type);
    };
    const started = await startRollout(stage, { promote });
    const { result } = await ended(started);
    expect(result).toMatchObject({ outcome: 'rolledBack', reason: 'model.onnx differs from its digest' });
    expect(result.steps).toHaveLength(4);
    expect(started.world.callsOf('takeBack')).toMatchObject([{ investigate: true }]);
  });

  test('that the registry ended meanwhile is aborted, and takes nothing back a second time', async () => {
    const applyRoute: AllActivities['applyRoute'] = async ({ stepIndex }) => {
      if (stepIndex === 1) throw ApplicationFailure.nonRetryable('the rollout was ended by bob', 'Conflict');
      return { generation: 1 };
    };
    const started = await startRollout(stage, { applyRoute });
    const { result } = await ended(started);
    expect(result).toMatchObject({ outcome: 'aborted', reason: 'the rollout was ended by bob' });
    expect(started.world.callsOf('takeBack')).toHaveLength(0);
    expect(started.world.callsOf('endRollout')).toHaveLength(1);
  });

  test('that fails for a technical reason gives traffic back first, then tells', async () => {
    let tries = 0;
    const awaitRoute: AllActivities['awaitRoute'] = async () => {
      tries += 1;
      throw ApplicationFailure.create({ message: 'gateway g2 did not follow', type: 'Unavailable' });
    };
    const started = await startRollout(stage, { awaitRoute });
    const { result } = await ended(started);
    expect(result).toMatchObject({ outcome: 'failed', reason: 'gateway g2 did not follow' });
    expect(tries).toBe(5);
    expect(started.world.calls.map((call) => call.name)).toEqual([
      'beginRollout',
      'applyRoute',
      ...Array.from({ length: 5 }, () => 'awaitRoute'),
      'takeBack',
      'endRollout',
    ]);
  });

  test('stays promoted when a gateway does not follow the promotion yet', async () => {
    const overrides: Partial<AllActivities> = {
      promote: async () => ({ generation: 99 }),
      awaitRoute: async ({ generation }) => {
        if (generation === 99) throw ApplicationFailure.create({ message: 'g2 is away', type: 'Unavailable' });
        return { gateways: 1 };
      },
    };
    const started = await startRollout(stage, overrides, { plan: rolloutPlans.direct, champion: null });
    const { result } = await ended(started);
    expect(result.outcome).toBe('promoted');
    expect(started.world.callsOf('takeBack')).toHaveLength(0);
  });

  test('stays promoted when its end cannot be written', async () => {
    const endRollout: AllActivities['endRollout'] = async () => {
      throw ApplicationFailure.nonRetryable('no such rollout', 'Conflict');
    };
    const started = await startRollout(stage, { endRollout }, { plan: rolloutPlans.direct, champion: null });
    await expect(started.handle.result()).rejects.toThrow();
    expect(started.world.callsOf('promote')).toHaveLength(1);
    expect(started.world.callsOf('takeBack')).toHaveLength(0);
  });
});

describe('a person', () => {
  const watching = async (started: Awaited<ReturnType<typeof startRollout>>, looks = 1) =>
    until(async () => started.world.callsOf('watchStep').length >= looks);

  test('promotes: the remaining steps are left out', async () => {
    const started = await startRollout(stage);
    await watching(started);
    expect(await started.handle.query(rolloutStatusQuery)).toMatchObject({ outcome: 'running', stepName: 'canary 5%', share: 0.05 });
    expect(await started.handle.executeUpdate(promoteUpdate, { args: [ann] })).toMatchObject({ accepted: true });
    const { result, elapsedMs } = await ended(started);
    expect(result).toMatchObject({ outcome: 'promoted', reason: 'promoted by ann during step canary 5%: she knows better', steps: [] });
    expect(elapsedMs).toBeLessThan(hourMs);
    expect(started.world.callsOf('promote')).toMatchObject([{ by: 'ann', reason: 'she knows better' }]);
    expect(started.world.callsOf('audit')).toMatchObject([{ action: 'rollout.promote', by: 'ann', outcome: 'done' }]);
  });

  test('aborts: traffic goes back, and nothing is investigated', async () => {
    const started = await startRollout(stage);
    await watching(started);
    expect(await started.handle.executeUpdate(abortUpdate, { args: [ann] })).toMatchObject({ accepted: true });
    const { result } = await ended(started);
    expect(result).toMatchObject({ outcome: 'aborted', reason: 'aborted by ann: she knows better' });
    expect(started.world.callsOf('takeBack')).toMatchObject([{ by: 'ann', investigate: false }]);
  });

  test('gives a step that holds a fresh deadline', async () => {
    let verdicts = 0;
    const watchStep: AllActivities['watchStep'] = async (input) => {
      if (input.until === 'breach') throw nothingYet();
      verdicts += 1;
      if (verdicts === 1) throw nothingYet();
      return look('pass', input.step);
    };
    const started = await startRollout(stage, { watchStep });
    await watching(started);
    await stage.environment.sleep(50 * hourMs);
    await watching(started, 2);
    expect(await started.handle.executeUpdate(resumeStepUpdate, { args: [ann] })).toMatchObject({ accepted: true });
    const { result } = await ended(started);
    expect(result.outcome).toBe('promoted');
    const looks = started.world.callsOf('watchStep') as { until: string; deadlineMs: number }[];
    const [first, second] = looks.filter((seen) => seen.until === 'verdict');
    expect((second?.deadlineMs ?? 0) - (first?.deadlineMs ?? 0)).toBeGreaterThanOrEqual(49 * hourMs);
  });

  test('is refused while another command is carried out, and after the end', async () => {
    const takingBack = gate();
    const ending = gate();
    const overrides: Partial<AllActivities> = {
      takeBack: async () => {
        await takingBack.wait();
        return { generation: 2 };
      },
      endRollout: () => ending.wait(),
    };
    const started = await startRollout(stage, overrides);
    await watching(started);
    await started.handle.executeUpdate(abortUpdate, { args: [ann] });
    expect(await started.handle.executeUpdate(promoteUpdate, { args: [{ by: 'bob', reason: 'too late' }] })).toEqual({
      accepted: false,
      reason: 'another command is being carried out',
    });
    takingBack.open();
    await until(async () => started.world.callsOf('endRollout').length === 1);
    expect(await started.handle.executeUpdate(resumeStepUpdate, { args: [ann] })).toEqual({
      accepted: false,
      reason: 'the rollout is over',
    });
    ending.open();
    expect(await started.handle.result()).toMatchObject({ outcome: 'aborted' });
    expect(started.world.callsOf('audit').filter((entry) => entry.outcome === 'refused')).toHaveLength(2);
    expect(started.world.callsOf('promote')).toHaveLength(0);
  });

  test('that says nothing is turned away before anything is written', async () => {
    const started = await startRollout(stage);
    await watching(started);
    await expect(started.handle.executeUpdate(abortUpdate, { args: [{ by: 'ann', reason: '' }] })).rejects.toThrow();
    expect(started.world.callsOf('audit')).toHaveLength(0);
    await started.handle.executeUpdate(abortUpdate, { args: [ann] });
    await started.handle.result();
  });

  test('cancels the workflow from outside: traffic goes back first', async () => {
    const started = await startRollout(stage);
    await watching(started);
    await started.handle.cancel();
    const { result } = await ended(started);
    expect(result).toMatchObject({ outcome: 'aborted', reason: 'aborted from outside' });
    expect(started.world.callsOf('takeBack')).toMatchObject([{ investigate: false }]);
    expect(started.world.calls.at(-1)?.name).toBe('endRollout');
  });
});

describe('on a driven clock', () => {
  test('intervals are those of the driver, not of the wall', async () => {
    let nowMs = Date.UTC(2011, 10, 1);
    const overrides: Partial<AllActivities> = {
      readClock: async () => ({ nowMs }),
      awaitClock: async ({ untilMs }) => {
        nowMs = Math.max(nowMs, untilMs);
        return { nowMs };
      },
    };
    const started = await startRollout(stage, overrides, { clock: { kind: 'driven', name: 'rehearsal' } });
    const { result, elapsedMs } = await ended(started);
    expect(result.outcome).toBe('promoted');
    expect(nowMs).toBe(Date.UTC(2011, 10, 1) + 2.5 * hourMs);
    expect(elapsedMs).toBeLessThan(hourMs);
    expect(started.world.callsOf('awaitClock')).toHaveLength(4);
    expect(started.world.callsOf('watchStep')[0]).toMatchObject({
      clock: { kind: 'driven', name: 'rehearsal' },
      stepStartMs: Date.UTC(2011, 10, 1),
    });
  });

  test('a breach does not wait for the driver', async () => {
    const overrides: Partial<AllActivities> = {
      awaitClock: async () => {
        throw nothingYet();
      },
      watchStep: async (input) => look('fail', input.step),
    };
    const started = await startRollout(stage, overrides, { clock: { kind: 'driven', name: 'rehearsal' } });
    expect((await ended(started)).result.outcome).toBe('rolledBack');
  });
});
