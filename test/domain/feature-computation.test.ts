import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileFeatures, computeFeatures, featureMatrix, inputColumns, lookbackMs } from '../../domain/feature-computation.js';
import type { FeatureDefinition } from '../../domain/features.js';
import { outcomeHistory } from '../../domain/outcome-history.js';

const hour = 3_600_000;
const features: readonly FeatureDefinition[] = [
  { kind: 'input', name: 'temp', column: 'temp' },
  { kind: 'input', name: 'holiday', column: 'holiday' },
  { kind: 'calendar', name: 'hour', part: 'hour' },
  { kind: 'calendar', name: 'dayOfWeek', part: 'dayOfWeek' },
  { kind: 'calendar', name: 'isWeekend', part: 'isWeekend' },
  { kind: 'calendar', name: 'month', part: 'month' },
  { kind: 'calendar', name: 'dayOfYear', part: 'dayOfYear' },
  { kind: 'lag', name: 'lag1', agoMs: hour },
  { kind: 'lag', name: 'lag24', agoMs: 24 * hour },
  { kind: 'rollingMean', name: 'mean3', windowMs: 3 * hour },
  { kind: 'rollingMean', name: 'mean24', windowMs: 24 * hour },
];
/** Outcomes by hour, some hours absent, values that have no exact binary form. */
const outcomes = fc.uniqueArray(
  fc.record({ slot: fc.integer({ min: 0, max: 300 }), value: fc.integer({ min: 0, max: 100_000 }).map((n) => n / 10) }),
  {
    selector: (o) => o.slot,
    maxLength: 200,
  },
);
const toOutcome = ({ slot, value }: { slot: number; value: number }) => ({ timeMs: slot * hour, value });

describe('features', () => {
  it('read the UTC calendar and the inputs', () => {
    const row = { timeMs: Date.UTC(2011, 9, 1, 17), inputs: { temp: 0.5, holiday: true } };
    const [temp, holiday, hourOfDay, dayOfWeek, weekend, month, dayOfYear] = computeFeatures(features, row, outcomeHistory());
    expect([temp, holiday, hourOfDay, dayOfWeek, weekend, month, dayOfYear]).toEqual([0.5, 1, 17, 6, 1, 10, 274]);
    expect(computeFeatures(features, { ...row, timeMs: Date.UTC(1969, 11, 31, 23) }, outcomeHistory()).slice(2, 7)).toEqual(
      Float32Array.from([23, 3, 0, 12, 365]),
    );
  });

  it('take lags by time, never by row, and answer NaN for an absent hour', () => {
    // Hours 8 and 9 are absent: the row before hour 10 is hour 7, but its lag of an hour is hour 9.
    const history = outcomeHistory([6, 7, 10].map((slot) => toOutcome({ slot, value: slot })));
    const at = (slot: number) => computeFeatures(features.slice(7, 10), { timeMs: slot * hour, inputs: {} }, history);
    expect(at(10)).toEqual(Float32Array.from([NaN, NaN, 7]));
    expect(at(11)).toEqual(Float32Array.from([10, NaN, 10]));
    expect(at(8)).toEqual(Float32Array.from([7, NaN, 6.5]));
    expect(at(13)).toEqual(Float32Array.from([NaN, NaN, 10]));
    expect(at(14)).toEqual(Float32Array.from([NaN, NaN, NaN]));
  });

  it('never change when an outcome at or after the event time changes', () => {
    fc.assert(
      fc.property(outcomes, outcomes, fc.integer({ min: 0, max: 300 }), (past, other, slot) => {
        const timeMs = slot * hour;
        const row = { timeMs, inputs: { temp: 0.3, holiday: 0 } };
        const before = past.filter((o) => o.slot < slot);
        const withFuture = [...before, ...other.filter((o) => o.slot >= slot)];
        expect(computeFeatures(features, row, outcomeHistory(withFuture.map(toOutcome)))).toEqual(
          computeFeatures(features, row, outcomeHistory(before.map(toOutcome))),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('are the same to the bit in training (a window, in one go) and in serving (all the past, outcome by outcome)', () => {
    let seed = 7;
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const all = Array.from({ length: 9_000 }, (_, slot) => ({ timeMs: slot * hour, value: random() * 1e6 })).filter(() => random() > 0.02);
    const rows = all.slice(4_000);
    const windowStart = rows[0]!.timeMs - lookbackMs(features);
    const temps = rows.map(() => random());
    // One column as DuckDB gives it, one as plain values.
    const table = { timesMs: rows.map((r) => r.timeMs), columns: { temp: Float64Array.from(temps), holiday: rows.map(() => 0) } };
    const trained = featureMatrix(features, table, outcomeHistory(all.filter((o) => o.timeMs >= windowStart)));

    const fill = compileFeatures(features);
    const served = new Float32Array(trained.length);
    const history = outcomeHistory(all.slice(0, 4_000));
    rows.forEach((row, i) => {
      fill({ timeMs: row.timeMs, inputs: { temp: temps[i], holiday: 0 } }, served, i * features.length, history);
      history.append(row);
    });
    expect(Buffer.from(served.buffer).equals(Buffer.from(trained.buffer))).toBe(true);
    expect(rows.length).toBeGreaterThan(4_000);
  });

  it('refuse text and missing columns by name', () => {
    expect(() => computeFeatures(features, { timeMs: 0, inputs: { temp: 'warm' } }, outcomeHistory())).toThrow(
      /feature temp needs a number/,
    );
    expect(() => featureMatrix(features, { timesMs: [0], columns: { temp: [1] } }, outcomeHistory())).toThrow(/column holiday .* missing/);
    expect(inputColumns(features)).toEqual(['temp', 'holiday']);
    expect(lookbackMs(features)).toBe(24 * hour);
  });
});

describe('an outcome history', () => {
  it('answers as a plain scan would, whatever the order of arrival', () => {
    fc.assert(
      fc.property(outcomes, fc.integer({ min: -5, max: 305 }), fc.integer({ min: 0, max: 60 }), (list, from, length) => {
        const plain = list.map(toOutcome);
        const grown = outcomeHistory();
        for (const outcome of plain) grown.append(outcome);
        const inside = plain.filter((o) => o.timeMs >= from * hour && o.timeMs < (from + length) * hour);
        for (const history of [outcomeHistory(plain), grown]) {
          const { sum, count } = history.range(from * hour, (from + length) * hour);
          expect(count).toBe(inside.length);
          expect(sum).toBeCloseTo(
            inside.reduce((total, o) => total + o.value, 0),
            6,
          );
          expect(history.at(from * hour)).toBe(plain.find((o) => o.timeMs === from * hour)?.value);
        }
      }),
    );
  });

  it('replaces an outcome of the same time, forgets the old, and refuses what is not finite', () => {
    const history = outcomeHistory([1, 2, 3].map((slot) => ({ timeMs: slot, value: slot })));
    history.append({ timeMs: 2, value: 20 });
    expect(history.range(0, 10)).toEqual({ sum: 24, count: 3 });
    history.forgetBefore(2);
    expect([history.size, history.firstMs, history.lastMs, history.range(0, 10).sum]).toEqual([2, 2, 3, 23]);
    expect(() => history.append({ timeMs: 4, value: NaN })).toThrow(/finite number is expected/);
    expect(history.size).toBe(2);
  });
});
