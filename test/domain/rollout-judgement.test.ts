import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { IntervalMethod } from '../../domain/interval-method.js';
import { judgeStep, lookAtStep, type StepLook } from '../../domain/rollout-judgement.js';
import type { RolloutLimits, RolloutStep } from '../../domain/rollout-plan.js';
import type { CheckResult, ErrorPair, VariantMeasurement } from '../../domain/rollout-verdict.js';

const hour = 3_600_000;
const limits: RolloutLimits = {
  maxP95Ms: 200,
  maxP95RatioToChampion: 1.5,
  maxErrorRate: 0.001,
  maxErrorRatioToChampion: 2,
  quality: { metric: 'ape', floor: 100 },
  minRequests: 40,
  minPairs: 24,
};
const step: RolloutStep = { kind: 'canary', name: 'canary 5%', share: 0.05, intervalMs: hour, deadlineMs: 96 * hour, maxLoss: 0.4 };

const variant = (change: Partial<VariantMeasurement> = {}): VariantMeasurement => ({
  version: '1.0.0',
  requests: 5000,
  errors: 0,
  p50Ms: 5,
  p95Ms: 10,
  p99Ms: 20,
  ...change,
});

/** Pairs in which the champion errs by about 10% and the challenger by `factor` times that, both with a swing. */
const pairsOf = (count: number, factor: number): ErrorPair[] =>
  Array.from({ length: count }, (_, index) => {
    const actual = 200 + (index % 7) * 10;
    const error = 0.1 + 0.05 * Math.sin(index);
    return {
      subject: `hour-${index}`,
      actual,
      champion: actual * (1 + error),
      challenger: actual * (1 + factor * error + 0.01 * Math.cos(index * 3)),
    };
  });

const look = (
  change: Partial<StepLook['measurements']> & {
    elapsedMs?: number;
    limits?: RolloutLimits;
    step?: RolloutStep;
    intervalMethod?: IntervalMethod;
  } = {},
): StepLook => {
  const { elapsedMs = hour, limits: some = limits, step: other = step, intervalMethod, ...measurements } = change;
  return {
    step: other,
    limits: some,
    elapsedMs,
    measurements: {
      fromMs: 0,
      toMs: elapsedMs,
      champion: variant({ requests: 100_000 }),
      challenger: variant({ version: '1.0.1' }),
      pairs: pairsOf(48, 1),
      ...measurements,
    },
    ...(intervalMethod === undefined ? {} : { intervalMethod }),
  };
};

const outcomeOf = (given: StepLook, name: CheckResult['check']) => judgeStep(given).checks.find((check) => check.check === name);

describe('a step', () => {
  test('passes when its interval is over and every check holds, and tells what was not shown', () => {
    const verdict = judgeStep(look());
    expect(verdict.outcome).toBe('pass');
    expect(verdict.reason).toBe(
      'requests, latency, latency against the champion, error rate, quality passed; not shown: errors against the champion',
    );
  });

  test('never passes before its interval is over', () => {
    expect(judgeStep(look({ elapsedMs: hour - 1 }))).toMatchObject({ outcome: 'hold' });
    expect(judgeStep(look({ elapsedMs: NaN })).outcome).toBe('hold');
  });

  test('fails at once, long before its interval is over', () => {
    expect(judgeStep(look({ elapsedMs: 1000, challenger: variant({ requests: 30, errors: 10 }), pairs: [] })).outcome).toBe('fail');
  });

  test('without a champion is judged by absolute limits alone', () => {
    const verdict = judgeStep(look({ champion: null }));
    expect(verdict.outcome).toBe('pass');
    for (const name of ['latencyRatio', 'errorRatio', 'quality'] as const)
      expect(verdict.checks.find((check) => check.check === name)?.outcome).toBe('notShown');
  });

  test('of kind smoke or promote is not for this judge', () => {
    for (const other of [
      { kind: 'smoke', name: 'smoke' },
      { kind: 'promote', name: 'promote' },
    ] as const)
      expect(judgeStep(look({ step: other })).outcome).toBe('hold');
  });

  test('of kind shadow is judged like a canary, on its shadow calls', () => {
    const shadow: RolloutStep = { kind: 'shadow', name: 'shadow', intervalMs: hour, deadlineMs: 96 * hour, maxLoss: 0.4 };
    expect(judgeStep(look({ step: shadow })).outcome).toBe('pass');
    expect(judgeStep(look({ step: shadow, challenger: variant({ requests: 500, errors: 20 }) })).outcome).toBe('fail');
  });

  test('leaves evidence: figures of both and their mean errors over the pairs that count', () => {
    const pairs = [
      { subject: 'a', actual: 100, champion: 110, challenger: 130 },
      { subject: 'b', actual: 200, champion: 180, challenger: 220 },
      { subject: 'c', actual: 99, champion: 0, challenger: 0 },
    ];
    const evidence = lookAtStep(look({ pairs }));
    expect(evidence).toMatchObject({ pairs: 2, fromMs: 0, toMs: hour, step, limits });
    expect(evidence.championError).toBeCloseTo(0.1);
    expect(evidence.challengerError).toBeCloseTo(0.2);
  });
});

describe('no verdict passes', () => {
  test('on no data', () => {
    const none = variant({ requests: 0, errors: 0, p50Ms: null, p95Ms: null, p99Ms: null });
    expect(judgeStep(look({ challenger: none })).outcome).toBe('hold');
    expect(judgeStep(look({ champion: none })).outcome).toBe('hold');
    expect(judgeStep(look({ pairs: [] })).outcome).toBe('hold');
    expect(judgeStep(look({ champion: null, challenger: none, pairs: [] })).outcome).toBe('hold');
    const nothingAsked = { ...limits, minRequests: 0, minPairs: 0 };
    expect(judgeStep(look({ limits: nothingAsked, challenger: none, pairs: [] })).outcome).toBe('hold');
    expect(judgeStep(look({ limits: nothingAsked, champion: null, challenger: none, pairs: [] })).outcome).toBe('hold');
  });

  test('on NaN, wherever it stands', () => {
    const fields = ['requests', 'errors', 'p95Ms'] as const;
    for (const field of fields) {
      expect(judgeStep(look({ challenger: variant({ [field]: NaN }) })).outcome).not.toBe('pass');
      expect(judgeStep(look({ champion: variant({ [field]: NaN }) })).outcome).not.toBe('pass');
    }
    fc.assert(
      fc.property(
        fc.nat(47),
        fc.constantFrom('actual', 'champion', 'challenger'),
        fc.constantFrom(NaN, Infinity, -Infinity),
        (at, field, value) => {
          const pairs = pairsOf(48, 1).map((pair, index) => (index === at ? { ...pair, [field]: value } : pair));
          // -Infinity as an actual is under the floor, and an ordinary pair less.
          if (field === 'actual' && value === -Infinity) return;
          expect(judgeStep(look({ pairs })).outcome).not.toBe('pass');
        },
      ),
    );
  });

  test('on limits that are none', () => {
    for (const field of ['maxP95Ms', 'maxP95RatioToChampion', 'maxErrorRate', 'minRequests', 'minPairs'] as const) {
      expect(judgeStep(look({ limits: { ...limits, [field]: NaN } })).outcome).not.toBe('pass');
    }
    expect(judgeStep(look({ step: { ...step, maxLoss: NaN } })).outcome).not.toBe('pass');
    expect(judgeStep(look({ step: { ...step, intervalMs: NaN } })).outcome).not.toBe('pass');
  });

  test('on anything that random measurements bring while a part of the evidence is missing', () => {
    const number = fc.oneof(fc.nat(5000), fc.constantFrom(null, NaN, Infinity));
    const measured = fc.record({
      version: fc.constant('x'),
      requests: fc.oneof(fc.nat(5000), fc.constant(NaN)),
      errors: fc.nat(20),
      p50Ms: number,
      p95Ms: number,
      p99Ms: number,
    });
    const pair = fc.record({ subject: fc.string(), actual: fc.double(), champion: fc.double(), challenger: fc.double() });
    fc.assert(
      fc.property(measured, measured, fc.array(pair, { maxLength: 30 }), (champion, challenger, pairs) => {
        const verdict = judgeStep(look({ champion, challenger, pairs, elapsedMs: 1000 * hour }));
        if (verdict.outcome !== 'pass') return;
        expect(challenger.requests).toBeGreaterThanOrEqual(limits.minRequests);
        expect(Number.isFinite(challenger.p95Ms) && (challenger.p95Ms ?? NaN) < limits.maxP95Ms).toBe(true);
        expect(pairs.filter(({ actual }) => actual >= 100).length).toBeGreaterThanOrEqual(limits.minPairs);
        expect(pairs.every((one) => one.actual < 100 || [one.actual, one.champion, one.challenger].every(Number.isFinite))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('latency', () => {
  const latency = (challenger: Partial<VariantMeasurement>, elapsedMs = 1000) =>
    outcomeOf(look({ challenger: variant(challenger), elapsedMs }), 'latency')?.outcome;

  test('a version that answers late fails within ten requests', () => {
    expect(latency({ requests: 10, p50Ms: 201, p95Ms: 250 })).toBe('failed');
    expect(latency({ requests: 9, p50Ms: 201, p95Ms: 250 })).toBe('hold');
  });

  test('a P95 beyond the limit under a fast median waits for the end of the interval', () => {
    expect(latency({ requests: 100, p50Ms: 5, p95Ms: 201 })).toBe('hold');
    expect(latency({ requests: 100, p50Ms: 5, p95Ms: 201 }, hour)).toBe('failed');
  });

  test('with an interval of the P95, its lower end decides', () => {
    expect(latency({ requests: 100, p50Ms: 5, p95Ms: 300, p95LowerMs: 210 })).toBe('failed');
    expect(latency({ requests: 100, p50Ms: 5, p95Ms: 300, p95LowerMs: 90 }, hour)).toBe('hold');
  });

  test('the limit itself is not below the limit, and few requests hold', () => {
    expect(latency({ p95Ms: 200 })).toBe('hold');
    expect(latency({ p95Ms: 199.9 })).toBe('passed');
    expect(latency({ requests: 39, p95Ms: 10 })).toBe('hold');
  });
});

describe('latency against the champion', () => {
  const ratio = (
    challenger: Partial<VariantMeasurement>,
    more: { elapsedMs?: number; champion?: Partial<VariantMeasurement>; limits?: RolloutLimits } = {},
  ) =>
    outcomeOf(
      look({
        challenger: variant(challenger),
        champion: variant(more.champion),
        elapsedMs: more.elapsedMs ?? 1000,
        limits: more.limits ?? limits,
      }),
      'latencyRatio',
    );

  test('1.5 times passes, more waits for the end of the interval, a shift of everything fails at once', () => {
    expect(ratio({ p95Ms: 15 })).toMatchObject({ outcome: 'passed', measured: 1.5 });
    expect(ratio({ p95Ms: 15.1 })?.outcome).toBe('hold');
    expect(ratio({ p95Ms: 15.1 }, { elapsedMs: hour })?.outcome).toBe('failed');
    expect(ratio({ requests: 20, p50Ms: 50, p95Ms: 100 })?.outcome).toBe('failed');
    expect(ratio({ requests: 19, p50Ms: 50, p95Ms: 100 })?.outcome).toBe('hold');
  });

  test('intervals of both P95 decide where they are measured', () => {
    const champion = { p95LowerMs: 9, p95UpperMs: 11 };
    expect(ratio({ p95Ms: 20, p95LowerMs: 17 }, { champion })?.outcome).toBe('failed');
    expect(ratio({ p95Ms: 20, p95LowerMs: 16 }, { champion, elapsedMs: hour })?.outcome).toBe('hold');
  });

  test('a challenger under the floor is fast enough, however fast the champion is', () => {
    const floored = { ...limits, latencyRatioFloorMs: 20 };
    expect(ratio({ p50Ms: 12, p95Ms: 19 }, { limits: floored, champion: { p50Ms: 1, p95Ms: 2 } })?.outcome).toBe('passed');
    expect(ratio({ p50Ms: 12, p95Ms: 21 }, { limits: floored, champion: { p50Ms: 1, p95Ms: 2 } })?.outcome).toBe('failed');
  });
});

describe('error rate', () => {
  const rate = (requests: number, errors: number) =>
    outcomeOf(look({ challenger: variant({ requests, errors }), elapsedMs: 1000 }), 'errorRate')?.outcome;

  test('is shown by 2,995 clean requests, and not by one less', () => {
    expect(rate(2995, 0)).toBe('passed');
    expect(rate(2994, 0)).toBe('notShown');
    expect(rate(40, 0)).toBe('notShown');
    expect(rate(39, 0)).toBe('hold');
  });

  test('a version that fails is stopped within a few requests; one unlucky error is not enough', () => {
    expect(rate(2, 2)).toBe('failed');
    expect(rate(20, 2)).toBe('failed');
    expect(rate(1, 1)).toBe('hold');
    expect(rate(20, 1)).toBe('hold');
    expect(rate(60, 1)).toBe('hold');
    const strict = { ...limits, maxErrorRate: 0.00001 };
    expect(outcomeOf(look({ challenger: variant({ requests: 20, errors: 1 }), limits: strict }), 'errorRate')?.outcome).toBe('hold');
    expect(outcomeOf(look({ challenger: variant({ requests: 20, errors: 2 }), limits: strict }), 'errorRate')?.outcome).toBe('failed');
  });

  test('errors within the limit pass once shown, and are not shown before', () => {
    expect(rate(2000, 1)).toBe('notShown');
    expect(rate(5000, 1)).toBe('passed');
    expect(rate(3000, 15)).toBe('failed');
    expect(rate(1500, 2)).toBe('hold');
  });

  test('a good version is hardly ever stopped, however often one looks', () => {
    // At half the limit and a look after every request, 200 canaries of 2,000 requests: by a fixed generator.
    let state = 12345;
    const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
    let stopped = 0;
    for (let canary = 0; canary < 200; canary += 1) {
      let errors = 0;
      for (let requests = 1; requests <= 2000; requests += 1) {
        if (random() >= 0.0005) continue;
        errors += 1;
        if (rate(requests, errors) === 'failed') {
          stopped += 1;
          break;
        }
      }
    }
    expect(stopped).toBeLessThanOrEqual(2);
  });
});

describe('errors against the champion', () => {
  const ratio = (challenger: [number, number], champion: [number, number]) =>
    outcomeOf(
      look({
        challenger: variant({ requests: challenger[0], errors: challenger[1] }),
        champion: variant({ requests: champion[0], errors: champion[1] }),
        elapsedMs: 1000,
      }),
      'errorRatio',
    );

  test('twice the errors and more fails, within tens of requests when nearly all fail', () => {
    expect(ratio([30, 25], [600, 2])?.outcome).toBe('failed');
    expect(ratio([1000, 40], [19_000, 190])?.outcome).toBe('failed');
  });

  test('is not shown without errors, or with one that chance explains', () => {
    expect(ratio([5000, 0], [5000, 0])).toMatchObject({ outcome: 'notShown', measured: null });
    expect(ratio([50, 1], [950, 0])?.outcome).toBe('notShown');
    expect(ratio([500, 5], [9500, 90])).toMatchObject({ outcome: 'notShown' });
  });

  test('passes when its share of all errors is below what the factor allows, holds when suspicious', () => {
    expect(ratio([5000, 10], [5000, 12])?.outcome).toBe('passed');
    expect(ratio([500, 3], [9500, 5])?.outcome).toBe('hold');
    expect(ratio([30, 0], [9500, 40])?.outcome).toBe('hold');
  });
});

describe('quality', () => {
  const quality = (pairs: ErrorPair[], more: { step?: RolloutStep; limits?: RolloutLimits; intervalMethod?: IntervalMethod } = {}) =>
    outcomeOf(look({ pairs, ...more }), 'quality');
  /** An interval given by hand, in errors (the champion's mean error of `even` pairs is 10%). */
  const interval = (lower: number, upper: number): IntervalMethod => ({
    ofMean: () => ({ lower, upper, level: 0.95, method: 'paired-t' }),
  });
  const even = Array.from({ length: 24 }, (_, index) => ({ subject: `${index}`, actual: 100, champion: 110, challenger: 110 }));

  test('by the interval of challenger minus champion, relative to the champion', () => {
    expect(quality(even, { intervalMethod: interval(-0.02, 0.0399) })).toMatchObject({ outcome: 'passed', limit: 0.4 });
    expect(quality(even, { intervalMethod: interval(-0.02, 0.0401) })?.outcome).toBe('hold');
    expect(quality(even, { intervalMethod: interval(0.001, 0.05) })?.outcome).toBe('failed');
    expect(quality(even, { intervalMethod: interval(-0.05, -0.01) })?.outcome).toBe('passed');
  });

  test('worse for sure fails, also when the loss is within maxLoss', () => {
    expect(quality(even, { intervalMethod: interval(0.0001, 0.002) })?.outcome).toBe('failed');
    expect(quality(even, { intervalMethod: interval(0, 0.002) })?.outcome).toBe('passed');
  });

  test('the t interval on real-shaped pairs: the same passes, half as bad passes, twice as bad fails', () => {
    expect(quality(pairsOf(48, 1))).toMatchObject({ outcome: 'passed', count: 48, interval: { method: 'paired-t', level: 0.95 } });
    expect(quality(pairsOf(48, 0.5))?.outcome).toBe('passed');
    expect(quality(pairsOf(48, 2))?.outcome).toBe('failed');
    expect(quality(pairsOf(48, 2))?.measured).toBeCloseTo(1, 0);
  });

  test('too few labelled pairs hold, and pairs under the floor are not counted', () => {
    expect(quality(pairsOf(23, 2))?.outcome).toBe('hold');
    const low = pairsOf(48, 2).map((pair) => ({ ...pair, actual: 99 }));
    expect(quality(low)).toMatchObject({ outcome: 'hold', count: 0 });
    expect(quality(pairsOf(1, 1), { limits: { ...limits, minPairs: 0 } })?.outcome).toBe('hold');
  });

  test('the same answers of both pass: nothing differs', () => {
    expect(quality(even)).toMatchObject({ outcome: 'passed', measured: 0, interval: { lower: 0, upper: 0 } });
  });

  test('absolute errors keep the unit of the target', () => {
    const absolute = { ...limits, quality: { metric: 'absoluteError', floor: 0 } } as const;
    expect(quality(pairsOf(48, 1), { limits: absolute })?.outcome).toBe('passed');
    expect(
      quality(
        [...even].map((pair) => ({ ...pair, actual: 0 })),
        { limits: absolute },
      ),
    ).toMatchObject({ outcome: 'passed', count: 24 });
  });

  test('a champion without any error: a challenger with errors fails, another holds', () => {
    const perfect = even.map((pair) => ({ ...pair, champion: 100 }));
    expect(quality(perfect)?.outcome).toBe('failed');
    expect(quality(perfect.map((pair) => ({ ...pair, challenger: 100 })))?.outcome).toBe('hold');
  });

  test('a larger maxLoss never turns a pass into anything else', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 200 }),
        fc.double({ min: 0.5, max: 1.5, noNaN: true }),
        fc.double({ min: 0.05, max: 0.5, noNaN: true }),
        (count, factor, maxLoss) => {
          const pairs = pairsOf(count, factor);
          const at = (loss: number) => quality(pairs, { step: { ...step, maxLoss: loss } })?.outcome;
          if (at(maxLoss) === 'passed') expect(at(maxLoss * 2)).toBe('passed');
          if (at(maxLoss) === 'failed') expect(at(maxLoss * 2)).toBe('failed');
        },
      ),
    );
  });

  test('reasons carry figure, interval, count and limit', () => {
    expect(quality(pairsOf(48, 2))?.reason).toMatch(
      /^error 20\.?\d*% against the champion's 10\.?\d*% over 48 labelled pairs with an actual of at least 100: \+[\d.]+% of it, between \+[\d.]+% and \+[\d.]+% with 95% confidence; largest loss 40%; worse for sure$/,
    );
  });
});
