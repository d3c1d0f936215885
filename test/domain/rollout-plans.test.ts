import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RolloutPlan, RolloutPlanName } from '../../domain/rollout-plan.js';
import { choosePlan, highRiskSoakMs, rolloutPlans, soakRemainingMs, trafficOf } from '../../domain/rollout-plans.js';

const hour = 3_600_000;
const names = ['fast', 'standard', 'slow', 'shadow-then-canary', 'blue-green', 'direct'] as const satisfies readonly RolloutPlanName[];
const choices = fc.record({
  named: fc.option(fc.constantFrom(...names), { nil: undefined }),
  risk: fc.constantFrom('low', 'limited', 'high'),
  endpointKind: fc.constantFrom('realtime', 'batch'),
  hasChampion: fc.boolean(),
});

const canaries = (plan: RolloutPlan) =>
  plan.steps.flatMap((step) => (step.kind === 'canary' ? [[step.share, step.intervalMs / hour]] : []));

describe('the named plans', () => {
  test("have the profiles' shares and times", () => {
    expect(canaries(rolloutPlans.fast)).toEqual([
      [0.05, 1],
      [0.1, 0.5],
      [0.25, 0.5],
      [0.5, 0.5],
    ]);
    expect(canaries(rolloutPlans.standard)).toEqual([
      [0.05, 6],
      [0.2, 12],
      [0.5, 24],
    ]);
    expect(canaries(rolloutPlans.slow)).toEqual([
      [0.05, 24],
      [0.1, 48],
      [0.25, 48],
      [0.5, 72],
    ]);
    expect(canaries(rolloutPlans['shadow-then-canary'])).toEqual(canaries(rolloutPlans.fast));
    expect(rolloutPlans['shadow-then-canary'].steps[0]?.kind).toBe('shadow');
    expect(rolloutPlans['blue-green'].steps.map((step) => step.kind)).toEqual(['smoke', 'promote', 'smoke']);
    expect(rolloutPlans.direct.steps.map((step) => step.kind)).toEqual(['smoke', 'promote']);
    for (const name of names) expect(rolloutPlans[name].name).toBe(name);
  });

  test('soak a day where the decisions say so', () => {
    for (const name of ['standard', 'slow', 'shadow-then-canary'] as const) expect(rolloutPlans[name].soakMs).toBe(24 * hour);
    expect(rolloutPlans.fast.soakMs).toBe(2.5 * hour);
  });

  test('loss shrinks from 40% at shadow and 5% to 15% before 100%, within deadlines that leave time for labels', () => {
    for (const name of names) {
      const judged = rolloutPlans[name].steps.flatMap((step) => (step.kind === 'canary' || step.kind === 'shadow' ? [step] : []));
      if (judged.length === 0) continue;
      expect(judged[0]?.maxLoss).toBe(0.4);
      expect(judged.at(-1)?.maxLoss).toBe(0.15);
      expect(judged.at(-1)?.deadlineMs).toBe(240 * hour);
      for (const [index, step] of judged.entries()) {
        expect(step.deadlineMs).toBeGreaterThanOrEqual(step.intervalMs + 72 * hour);
        const before = judged[index - 1];
        if (before !== undefined) expect(step.maxLoss).toBeLessThanOrEqual(before.maxLoss);
      }
    }
  });

  test('are plain JSON', () => {
    expect(JSON.parse(JSON.stringify(rolloutPlans))).toEqual(rolloutPlans);
  });
});

describe('traffic', () => {
  test('of every plan that can be chosen: shares in [0, 1], never falling, no answer of a shadow, 100% at the end and not before promote', () => {
    fc.assert(
      fc.property(choices, (choice) => {
        const plan = choosePlan(choice);
        const traffic = plan.steps.map((_, index) => trafficOf(plan, index));
        const promoteAt = plan.steps.findIndex((step) => step.kind === 'promote');
        expect(promoteAt).toBeGreaterThanOrEqual(0);
        for (const [index, { share, shadow }] of traffic.entries()) {
          expect(share).toBeGreaterThanOrEqual(traffic[index - 1]?.share ?? 0);
          expect(share).toBeLessThanOrEqual(1);
          expect(share === 1).toBe(index >= promoteAt);
          if (shadow) expect(share).toBe(0);
        }
        expect(traffic.at(-1)).toEqual({ share: 1, shadow: false });
      }),
    );
  });

  test('of a smoke test is what the step before it left', () => {
    expect(trafficOf(rolloutPlans['blue-green'], 0)).toEqual({ share: 0, shadow: false });
    expect(trafficOf(rolloutPlans['blue-green'], 2)).toEqual({ share: 1, shadow: false });
    expect(trafficOf(rolloutPlans['shadow-then-canary'], 0)).toEqual({ share: 0, shadow: true });
    expect(trafficOf(rolloutPlans['shadow-then-canary'], 1)).toEqual({ share: 0.05, shadow: false });
    expect(() => trafficOf(rolloutPlans.direct, 2)).toThrow(RangeError);
    expect(() => trafficOf(rolloutPlans.direct, -1)).toThrow(RangeError);
  });
});

describe('the choice', () => {
  const choose = (change: Partial<Parameters<typeof choosePlan>[0]>) =>
    choosePlan({ named: undefined, risk: 'limited', endpointKind: 'realtime', hasChampion: true, ...change });

  test('a named plan first, else by risk, then by endpoint', () => {
    expect(choose({ named: 'shadow-then-canary' })).toBe(rolloutPlans['shadow-then-canary']);
    expect(choose({ named: 'blue-green', risk: 'low' })).toBe(rolloutPlans['blue-green']);
    expect(choose({ risk: 'low' })).toBe(rolloutPlans.fast);
    expect(choose({ risk: 'limited' })).toBe(rolloutPlans.standard);
    expect(choose({ risk: 'limited', endpointKind: 'batch' })).toBe(rolloutPlans['shadow-then-canary']);
    expect(choose({ risk: 'high' })).toBe(rolloutPlans['shadow-then-canary']);
  });

  test('without a champion: direct, whatever is named', () => {
    fc.assert(fc.property(choices, (choice) => choosePlan({ ...choice, hasChampion: false }) === rolloutPlans.direct));
  });

  test('high risk always begins in the shadow and soaks a day, and a named canary keeps its times', () => {
    for (const named of [undefined, ...names]) {
      const plan = choose({ risk: 'high', named });
      expect(plan.steps[0]?.kind).toBe('shadow');
      expect(plan.steps.filter((step) => step.kind === 'shadow')).toHaveLength(1);
      expect(plan.soakMs).toBeGreaterThanOrEqual(highRiskSoakMs);
    }
    expect(canaries(choose({ risk: 'high', named: 'slow' }))).toEqual(canaries(rolloutPlans.slow));
  });
});

test('the soak that is left', () => {
  const { standard } = rolloutPlans;
  expect(soakRemainingMs(standard, 0)).toBe(24 * hour);
  expect(soakRemainingMs(standard, 6 * hour)).toBe(18 * hour);
  expect(soakRemainingMs(standard, 30 * hour)).toBe(0);
  expect(soakRemainingMs(standard, -hour)).toBe(24 * hour);
  expect(soakRemainingMs(standard, NaN)).toBe(24 * hour);
});
