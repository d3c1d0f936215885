import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { metricLines } from '../../clients/cli/output/evidence-lines.js';
import { workText } from '../../clients/cli/output/step-lines.js';
import { styleFor } from '../../clients/cli/output/style.js';

const canvas = { style: styleFor(new PassThrough(), {}), width: 200 };
const mape = (value: number, count: number) => ({ name: 'mape', kind: 'mape' as const, value, count, excluded: 0, floor: 100 });

test('figures are shown over all rows, and beside the champion over the rows that both have', () => {
  const [titles, line] = metricLines(
    { metrics: [mape(0.133, 612)], championMetrics: [mape(0.132, 444)], candidateMetrics: [mape(0.136, 444)] },
    canvas,
  );
  expect(titles?.trim().split(/ {2,}/)).toEqual(['metric', 'candidate', 'over', 'candidate', 'champion', 'both over']);
  expect(line?.trim().split(/ {2,}/)).toEqual([
    'mape',
    '13.3%',
    '612 rows with an actual of at least 100',
    '13.6%',
    '13.2%',
    '444 rows with an actual of at least 100',
  ]);
});

test('without a champion there is one figure, and of an earlier release the candidate beside it is not known', () => {
  expect(metricLines({ metrics: [mape(0.133, 612)], championMetrics: [] }, canvas)[1]).not.toContain('-');
  const [, line] = metricLines({ metrics: [mape(0.133, 612)], championMetrics: [mape(0.132, 444)] }, canvas);
  expect(line?.trim().split(/ {2,}/)[3]).toBe('-');
});

test('work tells its trial, its round, a figure or else its last word, and what an earlier attempt failed of', () => {
  const work = (beat: unknown, attempt = 1, lastFailure: string | null = null) => [{ activity: 'runTrial', attempt, beat, lastFailure }];
  expect(workText(work({ purpose: 'trial-006', round: 3, rounds: 9, metrics: { mape: 0.131 }, message: 'm' }), 20)).toBe(
    'trial 7 of 20 round 3 of 9 (mape 0.131)',
  );
  expect(workText(work({ purpose: 'train', round: 0, rounds: 0, metrics: {}, message: 'exporting to ONNX' }))).toBe(
    'train: exporting to ONNX',
  );
  expect(workText(work(null))).toBe('');
  expect(workText(work(null, 2, 'no disk'))).toBe('attempt 2 after: no disk');
});
