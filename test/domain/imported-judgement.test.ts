import { describe, expect, test } from 'vitest';
import type { MetricValue } from '../../domain/metrics.js';
import { allGates, changePolicy, defaultPolicy, policyGates } from '../../domain/policy-rules.js';
import { assessRisk } from '../../domain/risk.js';
import { judgeStep, lookAtStep, type StepLook } from '../../domain/rollout-judgement.js';
import { rolloutPlans } from '../../domain/rollout-plans.js';
import type { ErrorPair, VariantMeasurement } from '../../domain/rollout-verdict.js';
import { tensorsDefinition } from '../support/imported-definitions.js';

const { limits } = tensorsDefinition.rollout;
const hourMs = 3_600_000;
const measured = (version: string, change: Partial<VariantMeasurement> = {}): VariantMeasurement => ({
  version,
  requests: 5_000,
  errors: 0,
  p50Ms: 5,
  p95Ms: 10,
  p99Ms: 20,
  ...change,
});
const step = rolloutPlans.fast.steps[0]!;
/** The challenger is far off in each of them: judged by labels it would fail. */
const bad: ErrorPair[] = Array.from({ length: 50 }, (_, i) => ({ subject: `${i}`, actual: 100, champion: 100 + (i % 3), challenger: 300 }));

function look({ challenger, ...change }: Partial<StepLook> & { challenger?: Partial<VariantMeasurement> } = {}): StepLook {
  const measurements = {
    fromMs: 0,
    toMs: hourMs,
    champion: measured('1.0.0'),
    challenger: measured('1.0.1', challenger),
    pairs: [],
  };
  return { step, limits, measurements, elapsedMs: hourMs, ...change };
}

describe('a rollout that labels do not judge', () => {
  test('passes on requests, latency and errors alone, and says what was not shown', () => {
    const verdict = judgeStep(look());
    expect(verdict).toMatchObject({
      outcome: 'pass',
      reason: expect.stringMatching(/^requests, latency, .* passed; not shown: .*quality$/),
    });
    expect(verdict.checks.find(({ check }) => check === 'quality')).toMatchObject({
      outcome: 'notShown',
      measured: null,
      count: 0,
      reason: 'the definition judges no rollout by labels',
    });
  });

  test('does not pass by that sooner, nor with less to show', () => {
    expect(judgeStep(look({ elapsedMs: hourMs - 1 })).outcome).toBe('hold');
    expect(judgeStep(look({ challenger: { requests: 99 } })).outcome).toBe('hold');
    expect(judgeStep(look({ challenger: { p95Ms: null } })).outcome).toBe('hold');
    expect(judgeStep(look({ challenger: { p95Ms: 201 } })).outcome).toBe('fail');
    expect(judgeStep(look({ challenger: { errors: 50 } })).outcome).toBe('fail');
  });

  test('looks at no label that is there all the same', () => {
    const given = look();
    const labelled = { ...given, measurements: { ...given.measurements, pairs: bad } };
    expect(judgeStep(labelled)).toEqual(judgeStep(given));
    expect(lookAtStep(labelled)).toMatchObject({ pairs: 0, championError: null, challengerError: null });
    const quality = { metric: 'absoluteError', floor: 0 } as const;
    expect(judgeStep({ ...labelled, limits: { ...limits, quality } })).toMatchObject({ outcome: 'fail' });
  });
});

describe('an imported candidate', () => {
  const evidence = { candidate: [], champion: { version: '1.0.0', metrics: [], candidateMetrics: [] }, latencyP95Ms: 0.4 };
  const wape: MetricValue = { name: 'wape', kind: 'wape', value: 0.13, count: 960, excluded: 0 };

  test.each(['low', 'limited', 'high'] as const)('is never low risk; declared %s', (declared) => {
    for (const champion of [null, evidence.champion]) {
      const { risk, reason } = assessRisk({ ...evidence, champion, declared, policy: defaultPolicy, architectureChanged: false });
      expect(risk).toBe(declared === 'high' ? 'high' : 'limited');
      if (declared !== 'high') expect(reason).toContain('its accuracy was not measured');
    }
    const changed = assessRisk({ ...evidence, declared, policy: defaultPolicy, architectureChanged: true });
    expect(changed).toMatchObject({ risk: 'high', reason: expect.stringContaining('architecture') as string });
  });

  test('is told that accuracy is not judged for want of rows, and one of figures that its own gates limit its errors', () => {
    expect(policyGates(defaultPolicy, evidence)[0]).toMatchObject({
      outcome: 'notApplicable',
      measured: null,
      count: 0,
      reason: 'accuracy of at least 90% is not judged: there are no labelled rows here to measure it on',
    });
    expect(policyGates(defaultPolicy, { ...evidence, candidate: [wape] })[0]).toMatchObject({
      outcome: 'notApplicable',
      measured: 0.87,
      reason:
        'accuracy of at least 90% is not judged: the model is measured by its errors, which the gates of its definition limit (1 - WAPE is 87% over 960 rows)',
    });
    expect(policyGates(defaultPolicy, { ...evidence, candidate: [{ ...wape, kind: 'rmse', name: 'rmse' }] })[0]?.reason).toMatch(/limit$/);
  });

  test('is refused where the policy asks for a measured improvement over a champion', () => {
    const policy = changePolicy(defaultPolicy, { minRelativeImprovement: 0.02 });
    const outcomes = (champion: typeof evidence.champion | null) =>
      allGates([], policy, { ...evidence, champion }).map(({ outcome, reason }) => [outcome, reason]);
    expect(outcomes(evidence.champion)).toContainEqual(['refused', 'wape of the candidate was not measured']);
    expect(outcomes(null)).toContainEqual(['notApplicable', 'wape: there is no champion to compare with']);
  });
});
