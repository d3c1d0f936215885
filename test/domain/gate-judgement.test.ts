import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgeGates } from '../../domain/gate-judgement.js';
import type { GateDefinition, GateEvidence } from '../../domain/gates.js';
import type { MetricValue } from '../../domain/metrics.js';

const mape = (value: number | null, change: Partial<MetricValue> = {}): MetricValue => ({
  name: 'mape',
  kind: 'mape',
  value,
  count: 612,
  excluded: 300,
  floor: 100,
  ...change,
});
const gate: GateDefinition = { kind: 'maximum', metric: 'mape', limit: 0.15, minRows: 200 };
const against: GateDefinition = { kind: 'notWorseThanChampion', metric: 'mape', maxRelativeIncrease: 0, minRows: 200 };
const evidence = (change: Partial<GateEvidence> = {}): GateEvidence => ({
  candidate: [mape(0.132)],
  champion: null,
  latencyP95Ms: 0.4,
  ...change,
});
const champion = (theirs: MetricValue, ours: MetricValue) => ({ version: '1.0.0', metrics: [theirs], candidateMetrics: [ours] });
const judge = (one: GateDefinition, given: GateEvidence) => judgeGates([one], given).results[0];

describe('a maximum', () => {
  test('passes below its limit and says why, with floor and counts', () => {
    expect(judgeGates([gate], evidence())).toEqual({
      results: [
        {
          gate,
          outcome: 'passed',
          measured: 0.132,
          limit: 0.15,
          count: 612,
          reason: 'mape 13.2% over 612 rows with an actual of at least 100; limit 15%',
        },
      ],
      refused: null,
    });
  });

  test('refuses at its limit and above, and shows the difference however small', () => {
    expect(judge(gate, evidence({ candidate: [mape(0.15)] }))).toMatchObject({
      outcome: 'refused',
      reason: 'mape 15% over 612 rows with an actual of at least 100; limit 15%',
    });
    expect(judge(gate, evidence({ candidate: [mape(0.15004)] }))?.reason).toContain('mape 15.004% over');
    expect(judgeGates([{ ...gate, limit: 0.1 }], evidence()).refused).toContain('limit 10%');
  });

  test('refuses on absence: no metric, no figure, NaN, too few rows', () => {
    expect(judge(gate, evidence({ candidate: [] }))?.reason).toBe('mape of the candidate was not measured');
    expect(judge(gate, evidence({ candidate: [mape(null, { count: 0, excluded: 7 })] }))?.reason).toBe(
      'mape of the candidate has no figure (0 rows with an actual of at least 100, 7 left out)',
    );
    expect(judge(gate, evidence({ candidate: [mape(NaN)] }))?.outcome).toBe('refused');
    expect(judge(gate, evidence({ candidate: [mape(0.1, { count: 199 })] }))?.reason).toBe(
      'mape of the candidate rests on 199 rows with an actual of at least 100; the gate asks for at least 200',
    );
    expect(judge({ ...gate, minRows: 0 }, evidence({ candidate: [mape(0.1, { count: 0 })] }))?.outcome).toBe('refused');
  });

  test('compares bias by its size', () => {
    const bias: MetricValue = { name: 'bias', kind: 'bias', value: -12, count: 500, excluded: 0 };
    expect(judge({ kind: 'maximum', metric: 'bias', limit: 10, minRows: 1 }, evidence({ candidate: [bias] }))).toMatchObject({
      outcome: 'refused',
      measured: 12,
    });
  });
});

test('a minimum passes above its limit only', () => {
  const minimum: GateDefinition = { kind: 'minimum', metric: 'mape', limit: 0.1, minRows: 1 };
  expect(judge(minimum, evidence())?.outcome).toBe('passed');
  expect(judge(minimum, evidence({ candidate: [mape(0.1)] }))?.outcome).toBe('refused');
});

describe('against the champion', () => {
  test('does not apply without one', () => {
    expect(judgeGates([against], evidence())).toMatchObject({ refused: null, results: [{ outcome: 'notApplicable' }] });
  });

  test('compares both on the same rows, not over the whole hold-out', () => {
    const given = evidence({ champion: champion(mape(0.14, { count: 400 }), mape(0.139, { count: 400 })), candidate: [mape(0.2)] });
    expect(judge(against, given)).toMatchObject({ outcome: 'passed', measured: 0.139, limit: 0.14, count: 400 });
    expect(judge(against, given)?.reason).toBe(
      'mape 13.9% against 14% of champion 1.0.0 over the same 400 rows with an actual of at least 100; may not be worse (limit 14%)',
    );
  });

  test('refuses the least loss beyond the tolerance, and passes equality', () => {
    expect(judge(against, evidence({ champion: champion(mape(0.14), mape(0.1401)) }))?.outcome).toBe('refused');
    expect(judge(against, evidence({ champion: champion(mape(0.14), mape(0.14)) }))?.outcome).toBe('passed');
    expect(judge({ ...against, maxRelativeIncrease: 0.02 }, evidence({ champion: champion(mape(0.14), mape(0.1427)) }))?.outcome).toBe(
      'passed',
    );
    expect(judge({ ...against, maxRelativeIncrease: 0.02 }, evidence({ champion: champion(mape(0.14), mape(0.1429)) }))?.outcome).toBe(
      'refused',
    );
  });

  test('refuses when the rows differ or a figure is missing on either side', () => {
    expect(judge(against, evidence({ champion: champion(mape(0.14, { count: 500 }), mape(0.1)) }))?.reason).toContain('different rows');
    expect(judge(against, evidence({ champion: champion(mape(0.14, { floor: 20 }), mape(0.1)) }))?.reason).toContain('different rows');
    expect(judge(against, evidence({ champion: champion(mape(null), mape(0.1)) }))?.reason).toContain('champion 1.0.0 has no figure');
    expect(judge(against, evidence({ champion: { version: '1.0.0', metrics: [mape(0.14)], candidateMetrics: [] } }))?.outcome).toBe(
      'refused',
    );
  });
});

test('latency is strict and must have been measured', () => {
  const latency: GateDefinition = { kind: 'latency', maxP95Ms: 100 };
  expect(judge(latency, evidence())).toMatchObject({ outcome: 'passed', reason: 'P95 latency of a single row 0.4 ms; limit 100 ms' });
  for (const latencyP95Ms of [100, 250, null, NaN, -1]) expect(judge(latency, evidence({ latencyP95Ms }))?.outcome).toBe('refused');
});

test('a list without gates refuses, and a refusal tells every reason', () => {
  expect(judgeGates([], evidence()).refused).toContain('no gate is defined');
  expect(
    judgeGates(
      [
        { ...gate, limit: 0.1 },
        { kind: 'latency', maxP95Ms: 0.1 },
      ],
      evidence(),
    ).refused,
  ).toBe('mape 13.2% over 612 rows with an actual of at least 100; limit 10%; P95 latency of a single row 0.4 ms; limit 0.1 ms');
});

test('nothing passes without a finite figure over enough rows', () => {
  const figure = fc.oneof(fc.double(), fc.constantFrom(null, NaN, Infinity, -Infinity, 0));
  const metric = fc.record({
    name: fc.constantFrom('mape', 'wape'),
    kind: fc.constant('mape' as const),
    value: figure,
    count: fc.oneof(fc.nat(300), fc.constant(NaN)),
    excluded: fc.nat(),
    floor: fc.constant(100),
  });
  const some = fc.array(metric, { maxLength: 2 });
  fc.assert(
    fc.property(fc.tuple(some, some, some), figure, ([candidate, theirs, ours], latencyP95Ms) => {
      const given: GateEvidence = { candidate, champion: { version: '1', metrics: theirs, candidateMetrics: ours }, latencyP95Ms };
      const { results, refused } = judgeGates(
        [gate, { ...gate, kind: 'minimum', limit: 0 }, against, { kind: 'latency', maxP95Ms: 100 }],
        given,
      );
      for (const result of results) {
        if (result.outcome !== 'passed') continue;
        expect(Number.isFinite(result.measured)).toBe(true);
        if (result.gate.kind !== 'latency') expect(result.count).toBeGreaterThanOrEqual(200);
      }
      expect(refused === null).toBe(results.every((result) => result.outcome !== 'refused'));
    }),
    { numRuns: 500 },
  );
});
