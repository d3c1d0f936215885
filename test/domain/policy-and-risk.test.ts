import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgeGate } from '../../domain/gate-judgement.js';
import type { MetricValue } from '../../domain/metrics.js';
import { allGates, changePolicy, defaultPolicy, policyGates, type PolicyChange } from '../../domain/policy-rules.js';
import { assessRisk, type RiskEvidence } from '../../domain/risk.js';

const wape = (value: number | null, count = 960): MetricValue => ({ name: 'wape', kind: 'wape', value, count, excluded: 0 });

describe('the policy', () => {
  test('starts with the figures of the requirements and nobody as approver', () => {
    expect(defaultPolicy).toEqual({
      version: 1,
      minAccuracy: 0.9,
      maxLatencyMs: 100,
      minRelativeImprovement: null,
      maxBias: 0.3,
      autoApproveLowRisk: true,
      approvers: [],
      highRiskRelativeDrop: 0.05,
    });
  });

  test('each change is a new version, and leaves the rest and the old one alone', () => {
    const next = changePolicy(defaultPolicy, { approvers: ['ana', 'ben'], minRelativeImprovement: 0.02 });
    expect(next).toEqual({ ...defaultPolicy, version: 2, approvers: ['ana', 'ben'], minRelativeImprovement: 0.02 });
    expect(changePolicy(next, { minRelativeImprovement: null })).toMatchObject({ version: 3, minRelativeImprovement: null });
    expect(defaultPolicy.version).toBe(1);
  });

  test.each<[PolicyChange, RegExp]>([
    [{ minAccuracy: 90 }, /minAccuracy: expected a fraction from 0 to 1 \(0.05 is 5%\), found 90/],
    [{ maxLatencyMs: 0 }, /maxLatencyMs: expected milliseconds above 0, found 0/],
    [{ maxLatencyMs: NaN }, /maxLatencyMs/],
    [{ minRelativeImprovement: 2 }, /minRelativeImprovement: expected a fraction above 0 and below 1, or null/],
    [{ maxBias: -0.1 }, /maxBias/],
    [{ highRiskRelativeDrop: 0 }, /highRiskRelativeDrop/],
    [{ approvers: ['ana', 'Ana'] }, /approvers: expected names of people, each once/],
    [{ approvers: [' ana'] }, /approvers/],
    [{ autoApproveLowRisk: 'yes' as unknown as boolean }, /autoApproveLowRisk: expected true or false, found "yes"/],
    [{ minAcuracy: 0.9 } as PolicyChange, /minAcuracy: there is no such field; the fields are minAccuracy/],
    [{ version: 7 } as PolicyChange, /version: there is no such field/],
    [{ toString: 1 } as unknown as PolicyChange, /toString: there is no such field/],
    [{ minAccuracy: 0.9 }, /nothing would change/],
    [{}, /nothing would change/],
  ])('refuses %j', (change, message) => {
    expect(() => changePolicy(defaultPolicy, change)).toThrow(message);
  });

  test('names every wrong field at once', () => {
    expect(() => changePolicy(defaultPolicy, { minAccuracy: 2, maxBias: 2 })).toThrow(/minAccuracy.*; maxBias/);
  });
});

describe("the policy's own checks", () => {
  const evidence = { candidate: [wape(0.12)], champion: null, latencyP95Ms: 0.5 };

  test('accuracy does not apply to a regression, latency does, improvement is off', () => {
    expect(policyGates(defaultPolicy, evidence).map(({ outcome }) => outcome)).toEqual(['notApplicable', 'passed']);
    expect(policyGates(defaultPolicy, { ...evidence, latencyP95Ms: null })[1]?.outcome).toBe('refused');
  });

  test.each([
    [50, 50],
    [100, 100],
    [200, 100],
  ])('a definition that allows %d ms of latency and a policy that allows 100 list it once, as %d', (own, listed) => {
    const given = [
      judgeGate({ kind: 'maximum', metric: 'wape', limit: 0.2, minRows: 1 }, evidence),
      judgeGate({ kind: 'latency', maxP95Ms: own }, evidence),
    ];
    const all = allGates(given, defaultPolicy, { ...evidence, latencyP95Ms: 70 });
    expect(all.filter(({ gate }) => gate.kind === 'latency').map(({ limit }) => limit)).toEqual([listed]);
    expect(all.map(({ gate }) => gate.kind).toSorted()).toEqual(['latency', 'maximum', 'minimum']);
  });

  test('improvement, switched on, asks for a WAPE lower by that share', () => {
    const policy = { ...defaultPolicy, minRelativeImprovement: 0.02 };
    const against = (ours: number) =>
      policyGates(policy, { ...evidence, champion: { version: '1.0.0', metrics: [wape(0.1)], candidateMetrics: [wape(ours)] } })[2]
        ?.outcome;
    expect(against(0.097)).toBe('passed');
    expect(against(0.099)).toBe('refused');
    expect(policyGates(policy, evidence)[2]?.outcome).toBe('notApplicable');
  });
});

describe('the risk of a candidate', () => {
  const assess = (change: Partial<RiskEvidence> = {}) =>
    assessRisk({
      declared: 'low',
      policy: defaultPolicy,
      architectureChanged: false,
      candidate: [wape(0.05)],
      champion: null,
      latencyP95Ms: 0.5,
      ...change,
    });
  const champion = (theirs: number | null, ours: number | null) => ({
    version: '1.0.0',
    metrics: [wape(theirs)],
    candidateMetrics: [wape(ours)],
  });

  test('low inside the policy', () => {
    expect(assess()).toEqual({ risk: 'low', reason: 'accuracy (1 - WAPE) 95% and P95 latency 0.5 ms are inside policy version 1' });
  });

  test('limited outside it, and where a figure is missing', () => {
    expect(assess({ candidate: [wape(0.12)] })).toEqual({ risk: 'limited', reason: 'accuracy (1 - WAPE) 88% is not above 90%' });
    expect(assess({ candidate: [] }).risk).toBe('limited');
    expect(assess({ candidate: [wape(null, 0)] }).risk).toBe('limited');
    expect(assess({ latencyP95Ms: null }).risk).toBe('limited');
    expect(assess({ latencyP95Ms: 100 }).risk).toBe('limited');
    expect(assess({ champion: champion(null, 0.05) }).risk).toBe('limited');
    expect(assess({ champion: { version: '1.0.0', metrics: [wape(0.05, 10)], candidateMetrics: [wape(0.05, 11)] } }).risk).toBe('limited');
  });

  test('high for a new architecture or a drop of more than 5%, relative, on the same rows', () => {
    expect(assess({ architectureChanged: true })).toMatchObject({
      risk: 'high',
      reason: expect.stringContaining('architecture') as string,
    });
    expect(assess({ champion: champion(0.05, 0.0976) })).toMatchObject({
      risk: 'high',
      reason: expect.stringContaining('below champion 1.0.0') as string,
    });
    expect(assess({ champion: champion(0.05, 0.0974) }).risk).toBe('low');
  });

  test('improvement counts when the policy asks for it', () => {
    const policy = { ...defaultPolicy, minRelativeImprovement: 0.02 };
    expect(assess({ policy, champion: champion(0.08, 0.05) }).risk).toBe('low');
    expect(assess({ policy, champion: champion(0.05, 0.05) }).risk).toBe('limited');
  });

  test('is never below what the definition states', () => {
    expect(assess({ declared: 'limited' })).toEqual({
      risk: 'limited',
      reason: 'the definition says so; the figures are inside the policy',
    });
    expect(assess({ declared: 'high' }).risk).toBe('high');
    const order = ['low', 'limited', 'high'] as const;
    const figure = fc.oneof(fc.double({ min: 0, max: 2, noNaN: true }), fc.constant(null));
    fc.assert(
      fc.property(
        fc.constantFrom(...order),
        fc.boolean(),
        fc.tuple(figure, figure, figure),
        (declared, architectureChanged, [own, theirs, ours]) => {
          const { risk, reason } = assess({ declared, architectureChanged, candidate: [wape(own)], champion: champion(theirs, ours) });
          expect(order.indexOf(risk)).toBeGreaterThanOrEqual(order.indexOf(declared));
          expect(reason).not.toBe('');
          if (own === null || theirs === null || ours === null) expect(risk).not.toBe('low');
          if (architectureChanged) expect(risk).toBe('high');
        },
      ),
    );
  });
});
