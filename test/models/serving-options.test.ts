import { describe, expect, it } from 'vitest';
import { servingSpecOf } from '../../activities/evaluation/package-model.js';
import { definitionDigest, parseDefinition } from '../../contracts/define-model.js';
import { PerennialError } from '../../domain/errors.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import demandForecast from '../../models/demand-forecast.js';

const with_ = (serving: Partial<TrainedDefinition['serving']>): TrainedDefinition => ({
  ...demandForecast,
  serving: { ...demandForecast.serving, ...serving },
});
const [first, second] = demandForecast.serving.request.map(({ name }) => name).filter((name) => name !== demandForecast.eventTime);

function faultsOf(definition: unknown): { path: string; expected: string }[] {
  try {
    parseDefinition(definition);
  } catch (error) {
    if (error instanceof PerennialError) return error.details['faults'] as { path: string; expected: string }[];
    throw error;
  }
  return [];
}

describe('capture and cache in a definition', () => {
  it('may be left out: such a definition and its serving.json stay what they were', () => {
    const parsed = parseDefinition(JSON.parse(JSON.stringify(demandForecast)));
    expect(Object.keys(parsed.serving).sort()).toEqual(['endpointKind', 'output', 'request', 'subject']);
    expect(Object.keys(servingSpecOf(parsed, { input: 'features', output: 'prediction' })).sort()).toEqual([
      'eventTimeField',
      'features',
      'model',
      'onnx',
      'output',
      'request',
      'subject',
    ]);
  });

  it('are carried in serving.json and make another digest', () => {
    const capture = {
      sagemaker: { percent: 10, input: true, output: false },
      redact: [
        { field: first!, how: 'mask', keepLast: 2 },
        { field: second!, how: 'drop' },
      ],
    } as const;
    const cache = { ttlMs: 60_000, maxEntries: 1_000, normalize: 'trim' } as const;
    const definition = parseDefinition(with_({ capture, cache }));
    expect(servingSpecOf(definition, { input: 'features', output: 'prediction' })).toMatchObject({ capture, cache });
    expect(definitionDigest(definition)).not.toBe(definitionDigest(demandForecast));
  });

  it.each<[string, Partial<TrainedDefinition['serving']>, string, RegExp]>([
    [
      'a field that is not asked for',
      { capture: { redact: [{ field: 'other', how: 'drop' }] } },
      'serving.capture.redact[0].field',
      /a field of/,
    ],
    [
      'a field twice',
      {
        capture: {
          redact: [
            { field: first!, how: 'drop' },
            { field: first!, how: 'hash' },
          ],
        },
      },
      'serving.capture.redact[1].field',
      /no rule before/,
    ],
    [
      'the event time',
      { capture: { redact: [{ field: demandForecast.eventTime, how: 'hash' }] } },
      'serving.capture.redact[0].field',
      /event time/,
    ],
    [
      'a part of the subject otherwise than by hash',
      { subject: [first!], capture: { redact: [{ field: first!, how: 'drop' }] } },
      'serving.capture.redact[0].how',
      /"hash"/,
    ],
    [
      'a number to truncate',
      { capture: { redact: [{ field: first!, how: 'truncate', length: 2 }] } },
      'serving.capture.redact[0].how',
      /BYTES/,
    ],
    [
      'more than all requests',
      { capture: { sagemaker: { percent: 101, input: true, output: true } } },
      'serving.capture.sagemaker.percent',
      /100/,
    ],
    ['an answer that is kept for no time', { cache: { ttlMs: 0, maxEntries: 1 } }, 'serving.cache.ttlMs', /1/],
  ])('refuse %s', (...[, serving, path, expected]) => {
    const faults = faultsOf(with_(serving));
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ path, expected: expect.stringMatching(expected) });
  });
});
