import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatAgainst,
  formatCount,
  formatDuration,
  formatLatency,
  formatMetric,
  formatNumber,
  formatPercent,
  formatTime,
} from '../../domain/format.js';

test.each([
  [0.132, '13.2%'],
  [0.15, '15%'],
  [0.001, '0.1%'],
  [0.0005, '0.05%'],
  [0, '0%'],
  [-0.0213, '-2.1%'],
  [12.5, '1,250%'],
  [1, '100%'],
  [NaN, 'no figure'],
  [null, 'no figure'],
])('percent of %s', (fraction, text) => expect(formatPercent(fraction)).toBe(text));

test.each([
  [2995, '2,995'],
  [1234567.891, '1,234,567.9'],
  [12.3456, '12.346'],
  [0.05123, '0.0512'],
  [-1500, '-1,500'],
  [Infinity, 'no figure'],
])('number %s', (value, text) => expect(formatNumber(value)).toBe(text));

test.each([
  [250, '250 ms'],
  [1500, '1.5 s'],
  [60_000, '1 min'],
  [1_800_000, '30 min'],
  [3_600_000, '1 h'],
  [9_000_000, '2 h 30 min'],
  [86_400_000, '1 d'],
  [302_400_000, '3 d 12 h'],
  [86_460_000, '1 d'],
  [59_999, '60 s'],
  [0, '0 ms'],
  [-3_600_000, '-1 h'],
  [NaN, 'an unknown time'],
])('duration %s', (durationMs, text) => expect(formatDuration(durationMs)).toBe(text));

test.each([
  [0.42, '0.42 ms'],
  [12.34, '12.3 ms'],
  [1204.4, '1,204 ms'],
  [5, '5 ms'],
  [null, 'no figure'],
])('latency %s', (ms, text) => expect(formatLatency(ms)).toBe(text));

test('counts, times and metrics', () => {
  expect(formatCount(1, 'request')).toBe('1 request');
  expect(formatCount(2995, 'request')).toBe('2,995 requests');
  expect(formatTime(Date.parse('2011-11-01T02:00:00Z'))).toBe('2011-11-01 02:00 UTC');
  expect(formatTime(NaN)).toBe('an unknown time');
  expect(formatMetric({ name: 'mape', kind: 'mape', value: 0.132, count: 612, excluded: 3, floor: 100 })).toBe(
    'mape 13.2% (612 rows with an actual of at least 100)',
  );
  expect(formatMetric({ name: 'rmse', kind: 'rmse', value: 41.23456, count: 960, excluded: 0 })).toBe('rmse 41.235 (960 rows)');
});

test('a figure beside another limit never looks like it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000_000 }), fc.integer({ min: 0, max: 10_000_000 }), (a, b) => {
      const [measured, limit] = [a / 1e7, b / 1e7];
      const text = formatAgainst(formatPercent, { measured, limit });
      // At the digits that it is written with, the limit reads otherwise; equal figures read the same at any.
      const apart = [1, 2, 3, 4, 5, 6, 7, 8].some(
        (digits) => text === formatPercent(measured, digits) && text !== formatPercent(limit, digits),
      );
      expect(apart).toBe(measured !== limit);
    }),
  );
});
