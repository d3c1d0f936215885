import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { binBoundsMs, binLatencyMs, binOf, latencyError, LatencySketch } from '../../domain/latency-sketch.js';

const latency = fc.double({ min: 1e-3, max: 1e7, noNaN: true });
const latencies = fc.array(latency, { minLength: 1, maxLength: 400 });
const share = fc.double({ min: 0, max: 1, noNaN: true });

function sketchOf(values: readonly number[]): LatencySketch {
  const sketch = new LatencySketch();
  for (const value of values) sketch.add(value);
  return sketch;
}

/** Nearest rank. */
function exactQuantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1]!;
}

describe('a latency sketch', () => {
  test('answers every quantile within its relative error, whatever the distribution', () => {
    fc.assert(
      fc.property(latencies, share, (values, q) => {
        const exact = exactQuantile(values, q);
        const told = sketchOf(values).quantile(q)!;
        expect(Math.abs(told - exact)).toBeLessThanOrEqual(exact * latencyError * (1 + 1e-9));
      }),
    );
  });

  test('merges without loss, in any order', () => {
    fc.assert(
      fc.property(fc.array(latencies, { minLength: 1, maxLength: 6 }), (parts) => {
        const whole = sketchOf(parts.flat());
        const merged = new LatencySketch();
        for (const part of parts) merged.merge(sketchOf(part));
        const backwards = new LatencySketch();
        for (const part of parts.toReversed()) backwards.merge(sketchOf(part));
        expect(merged.bins()).toEqual(whole.bins());
        expect(backwards.bins()).toEqual(whole.bins());
        expect(merged.count).toBe(parts.flat().length);
      }),
    );
  });

  test('counts a latency as often as it is told', () => {
    const sketch = new LatencySketch();
    sketch.add(5, 32);
    sketch.add(500);
    expect(sketch.count).toBe(33);
    expect(sketch.bins().map(({ count }) => count)).toEqual([32, 1]);
    expect(sketch.quantile(0.5)).toBeCloseTo(5, 0);
    expect(sketch.quantile(1)).toBeGreaterThan(495);
  });

  test('stays bounded and keeps counting beyond its ends', () => {
    const sketch = new LatencySketch();
    for (const value of [0, -1, NaN, 1e-9, 1e-3, 1e7, 1e9, Infinity]) sketch.add(value);
    expect(sketch.count).toBe(8);
    expect(sketch.bins()).toEqual([
      { bin: binOf(1e-3), count: 5 },
      { bin: binOf(1e7), count: 3 },
    ]);
    expect(binOf(1e7) - binOf(1e-3)).toBeLessThan(1_153);
  });

  test('is empty before the first', () => {
    expect(new LatencySketch().quantile(0.5)).toBeNull();
    expect(new LatencySketch().bins()).toEqual([]);
  });

  test('has bins whose ends enclose what they count, and whose figure is within the error of both', () => {
    fc.assert(
      fc.property(latency, (value) => {
        const { lowerMs, upperMs } = binBoundsMs(binOf(value));
        expect(value).toBeLessThanOrEqual(upperMs * (1 + 1e-9));
        expect(value).toBeGreaterThanOrEqual(lowerMs * (1 - 1e-9));
        expect(Math.abs(binLatencyMs(binOf(value)) - value) / value).toBeLessThanOrEqual(latencyError * (1 + 1e-9));
      }),
    );
  });
});
