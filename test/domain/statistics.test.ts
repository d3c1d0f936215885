import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { betaCdf, betaQuantile, logGamma } from '../../domain/beta-distribution.js';
import { pairedT } from '../../domain/interval-method.js';
import { binomialUpperTail, cleanTrialsNeeded, clopperPearson, quantileRanks, studentTQuantile } from '../../domain/statistics.js';

describe('Student t quantiles', () => {
  // Printed tables, and R's qt().
  test.each([
    [0.975, 1, 12.7062047362],
    [0.975, 2, 4.3026527297],
    [0.975, 10, 2.228138852],
    [0.975, 23, 2.0686576104],
    [0.975, 30, 2.0422724563],
    [0.975, 100, 1.9839715185],
    [0.95, 10, 1.8124611228],
    [0.995, 5, 4.0321429836],
    [0.9995, 10, 4.5868938587],
  ])('p %f with %i degrees is %f', (p, degrees, expected) => {
    expect(studentTQuantile(p, degrees)).toBeCloseTo(expected, 8);
    expect(studentTQuantile(1 - p, degrees)).toBeCloseTo(-expected, 8);
  });

  test('approach the normal distribution', () => {
    expect(studentTQuantile(0.975, 1e6)).toBeCloseTo(1.9599664, 5);
    expect(studentTQuantile(0.5, 7)).toBeCloseTo(0, 12);
  });

  test('have no value for what is no probability or no degrees', () => {
    for (const [p, degrees] of [
      [NaN, 5],
      [0, 5],
      [1, 5],
      [0.9, 0],
      [0.9, NaN],
      [0.9, Infinity],
    ] as const)
      expect(studentTQuantile(p, degrees)).toBeNaN();
  });
});

describe('the beta distribution', () => {
  test('logGamma agrees with factorials', () => {
    expect(logGamma(1)).toBeCloseTo(0, 14);
    expect(logGamma(6)).toBeCloseTo(Math.log(120), 12);
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.sqrt(Math.PI)), 14);
  });

  test('its quantile inverts its distribution function', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 0.999, noNaN: true }),
        fc.integer({ min: 1, max: 5000 }),
        fc.integer({ min: 1, max: 5000 }),
        (p, a, b) => {
          expect(betaCdf(betaQuantile(p, a, b), a, b)).toBeCloseTo(p, 7);
        },
      ),
    );
  });

  test('gives binomial tails that agree with the sum of the terms', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.double({ min: 0.001, max: 0.999, noNaN: true }), fc.nat(60), (trials, rate, seed) => {
        const events = seed % (trials + 1);
        let sum = 0;
        for (let k = events; k <= trials; k += 1) {
          const choose = Math.exp(logGamma(trials + 1) - logGamma(k + 1) - logGamma(trials - k + 1));
          sum += choose * rate ** k * (1 - rate) ** (trials - k);
        }
        expect(binomialUpperTail({ events, trials }, rate)).toBeCloseTo(sum, 9);
      }),
    );
  });
});

describe('Clopper-Pearson', () => {
  // R's binom.test().
  test.each<[number, number, [number, number]]>([
    [1, 20, [0.0012650895, 0.2487327631]],
    [5, 20, [0.0865714691, 0.4910458822]],
    [10, 100, [0.0490046896, 0.1762225598]],
    [0, 20, [0, 0.1684334714]],
    [20, 20, [0.8315665286, 1]],
  ])('%i of %i', (events, trials, [lower, upper]) => {
    const interval = clopperPearson({ events, trials }, 0.025);
    expect(interval?.lower).toBeCloseTo(lower, 6);
    expect(interval?.upper).toBeCloseTo(upper, 6);
  });

  test('an error rate below 0.1% at 95% takes 2,995 clean requests', () => {
    expect(Math.log(0.05) / Math.log(0.999)).toBeCloseTo(2994.2, 1);
    expect(cleanTrialsNeeded(0.001, 0.05)).toBe(2995);
    expect(clopperPearson({ events: 0, trials: 2995 }, 0.05)?.upper).toBeLessThan(0.001);
    expect(clopperPearson({ events: 0, trials: 2994 }, 0.05)?.upper).toBeGreaterThanOrEqual(0.001);
    expect(cleanTrialsNeeded(0, 0.05)).toBe(Infinity);
  });

  test('gives nothing for no trials or counts that are none', () => {
    for (const [events, trials] of [
      [0, 0],
      [2, 1],
      [-1, 5],
      [NaN, 5],
      [0.5, 5],
      [0, NaN],
      [0, Infinity],
    ] as const) {
      expect(clopperPearson({ events, trials }, 0.05)).toBeNull();
      if (trials !== 0) expect(binomialUpperTail({ events, trials }, 0.1)).toBeNaN();
    }
  });

  test('encloses the observed rate, and narrows with more of the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 1, max: 50 }), (events, more) => {
        const one = clopperPearson({ events, trials: events + more }, 0.025);
        const ten = clopperPearson({ events: events * 10, trials: (events + more) * 10 }, 0.025);
        const rate = events / (events + more);
        if (one === null || ten === null) throw new Error('an interval is missing');
        expect(one.lower).toBeLessThanOrEqual(rate);
        expect(one.upper).toBeGreaterThanOrEqual(rate);
        expect(ten.upper - ten.lower).toBeLessThan(one.upper - one.lower);
      }),
    );
  });
});

describe('ranks around a quantile', () => {
  test('of a P95', () => {
    expect(quantileRanks({ count: 50, quantile: 0.95, level: 0.95 })).toEqual({ lower: 44, upper: null });
    expect(quantileRanks({ count: 71, quantile: 0.95, level: 0.95 }).upper).toBeNull();
    expect(quantileRanks({ count: 72, quantile: 0.95, level: 0.95 }).upper).toBe(72);
    expect(quantileRanks({ count: 0, quantile: 0.95, level: 0.95 })).toEqual({ lower: null, upper: null });
  });

  test('enclose it with at least the level', () => {
    fc.assert(
      fc.property(fc.integer({ min: 80, max: 3000 }), (count) => {
        const { lower, upper } = quantileRanks({ count, quantile: 0.95, level: 0.95 });
        if (lower === null || upper === null) throw new Error('a rank is missing');
        const inside =
          binomialUpperTail({ events: lower, trials: count }, 0.95) - binomialUpperTail({ events: upper, trials: count }, 0.95);
        expect(inside).toBeGreaterThanOrEqual(0.95);
        expect(lower).toBeLessThanOrEqual(Math.ceil(0.95 * count));
        expect(upper).toBeGreaterThanOrEqual(Math.floor(0.95 * count));
      }),
    );
  });
});

describe('the paired t interval', () => {
  test('by hand: 1, 2, 3', () => {
    // mean 2, s = 1, t(0.975, 2) = 4.302653, half = 4.302653 / sqrt(3)
    expect(pairedT(0.95).ofMean([1, 2, 3])).toMatchObject({ level: 0.95, method: 'paired-t' });
    expect(pairedT(0.95).ofMean([1, 2, 3])?.lower).toBeCloseTo(2 - 4.3026527297 / Math.sqrt(3), 8);
    expect(pairedT(0.95).ofMean([1, 2, 3])?.upper).toBeCloseTo(2 + 4.3026527297 / Math.sqrt(3), 8);
  });

  test('has no width where nothing varies, and does not exist for one value or none or NaN', () => {
    expect(pairedT(0.95).ofMean([0.5, 0.5, 0.5])).toMatchObject({ lower: 0.5, upper: 0.5 });
    for (const values of [[], [1], [1, NaN], [1, Infinity]]) expect(pairedT(0.95).ofMean(values)).toBeNull();
  });
});
