import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { computeMetrics, residualsByHour } from '../../domain/metric-computation.js';
import type { MetricDefinition } from '../../domain/metrics.js';

const all: MetricDefinition[] = [
  { kind: 'mape', name: 'mape', floor: 100 },
  { kind: 'wape', name: 'wape' },
  { kind: 'rmse', name: 'rmse' },
  { kind: 'mae', name: 'mae' },
  { kind: 'bias', name: 'bias' },
];

describe('computeMetrics', () => {
  test('by hand', () => {
    const metrics = computeMetrics(all, { actual: [100, 200, 50], predicted: [110, 180, 60] });
    expect(metrics).toEqual([
      { name: 'mape', kind: 'mape', value: 0.1, count: 2, excluded: 1, floor: 100 },
      { name: 'wape', kind: 'wape', value: 40 / 350, count: 3, excluded: 0 },
      { name: 'rmse', kind: 'rmse', value: Math.sqrt(600 / 3), count: 3, excluded: 0 },
      { name: 'mae', kind: 'mae', value: 40 / 3, count: 3, excluded: 0 },
      { name: 'bias', kind: 'bias', value: 0, count: 3, excluded: 0 },
    ]);
  });

  test('typed arrays, and the sign of the bias: predicting too much is positive', () => {
    const [, , , mae, bias] = computeMetrics(all, { actual: Float64Array.of(1, 2), predicted: Float32Array.of(3, 4) });
    expect(mae?.value).toBe(2);
    expect(bias?.value).toBe(2);
  });

  test('nothing to measure is null, never zero', () => {
    for (const metric of computeMetrics(all, { actual: [], predicted: [] })) expect(metric).toMatchObject({ value: null, count: 0 });
    expect(computeMetrics(all.slice(0, 1), { actual: [99, 20], predicted: [99, 20] })).toEqual([
      { name: 'mape', kind: 'mape', value: null, count: 0, excluded: 2, floor: 100 },
    ]);
    expect(computeMetrics([{ kind: 'wape', name: 'w' }], { actual: [0, 0], predicted: [1, 1] })[0]).toMatchObject({
      value: null,
      count: 2,
    });
    expect(computeMetrics([{ kind: 'mape', name: 'm', floor: 0 }], { actual: [0, 10], predicted: [1, 11] })[0]).toMatchObject({
      value: 0.1,
      count: 1,
      excluded: 1,
    });
  });

  test('a row without a label is left out; a row without an answer leaves no figure', () => {
    expect(computeMetrics([{ kind: 'mae', name: 'mae' }], { actual: [NaN, 10], predicted: [1, 12] })[0]).toEqual({
      name: 'mae',
      kind: 'mae',
      value: 2,
      count: 1,
      excluded: 1,
    });
    expect(computeMetrics([{ kind: 'mae', name: 'mae' }], { actual: [5, 10], predicted: [NaN, 12] })[0]).toEqual({
      name: 'mae',
      kind: 'mae',
      value: null,
      count: 1,
      excluded: 1,
    });
    // Under the floor it does not matter what was answered.
    expect(computeMetrics(all.slice(0, 1), { actual: [5, 100], predicted: [NaN, 110] })[0]).toMatchObject({
      value: 0.1,
      count: 1,
      excluded: 1,
    });
  });

  test('columns of other lengths are refused', () => {
    expect(() => computeMetrics(all, { actual: [1], predicted: [] })).toThrow(/1 and 0 values/);
  });

  test('a figure is null or finite, whatever comes in; every row is counted or left out', () => {
    const anything = fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, -Infinity, 0, 100));
    fc.assert(
      fc.property(fc.array(fc.tuple(anything, anything)), (rows) => {
        for (const metric of computeMetrics(all, { actual: rows.map(([a]) => a), predicted: rows.map(([, p]) => p) })) {
          expect(metric.value === null || Number.isFinite(metric.value)).toBe(true);
          expect(metric.count + metric.excluded).toBe(rows.length);
          if (rows.some(([a, p]) => Number.isFinite(a) && a >= 100 && !Number.isFinite(p))) expect(metric.value).toBeNull();
        }
      }),
    );
  });

  test('no error metric changes with the order of the rows', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 999 }), fc.integer({ min: 0, max: 999 })), { minLength: 1 }), (rows) => {
        const measure = (some: typeof rows) => computeMetrics(all, { actual: some.map(([a]) => a), predicted: some.map(([, p]) => p) });
        const backwards = measure([...rows].reverse());
        for (const [index, metric] of measure(rows).entries()) {
          if (metric.value === null) expect(backwards[index]?.value).toBeNull();
          else expect(backwards[index]?.value).toBeCloseTo(metric.value, 9);
        }
      }),
    );
  });
});

test('residualsByHour groups by UTC hour, actual minus predicted, and leaves out what is not finite', () => {
  const at = (iso: string) => Date.parse(iso);
  const times = [at('2011-10-01T05:00:00Z'), at('2011-10-02T05:59:00Z'), at('1969-12-31T23:00:00Z'), at('2011-10-01T07:00:00Z'), NaN];
  expect(residualsByHour(times, [10, 20, 5, 1, 1], [8, 26, 5, NaN, 1])).toEqual([
    { hour: 5, count: 2, meanResidual: -2, meanAbsoluteResidual: 4 },
    { hour: 23, count: 1, meanResidual: 0, meanAbsoluteResidual: 0 },
  ]);
  expect(() => residualsByHour([1], [1, 2], [1, 2])).toThrow(/length/);
});
