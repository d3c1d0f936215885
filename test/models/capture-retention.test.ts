import { describe, expect, it } from 'vitest';
import { servingSpecOf } from '../../activities/evaluation/package-model.js';
import { definitionDigest, parseDefinition } from '../../contracts/define-model.js';
import { captureRetentionMs, leastRetentionDays } from '../../domain/capture-retention.js';
import { PerennialError } from '../../domain/errors.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import { rolloutPlans } from '../../domain/rollout-plans.js';
import demandForecast from '../../models/demand-forecast.js';

const dayMs = 86_400_000;
const keptFor = (retentionDays: number, change: Partial<TrainedDefinition> = {}): TrainedDefinition => ({
  ...demandForecast,
  ...change,
  serving: { ...demandForecast.serving, capture: { retentionDays } },
});
const names = { input: 'features', output: 'prediction' };

describe('how long captures are kept', () => {
  it('is 90 days, or what the definition says; it is no part of the package', () => {
    expect(captureRetentionMs(demandForecast)).toBe(90 * dayMs);
    const definition = parseDefinition(keptFor(400));
    expect(captureRetentionMs(definition)).toBe(400 * dayMs);
    expect(definitionDigest(definition)).not.toBe(definitionDigest(demandForecast));
    expect(servingSpecOf(definition, names)).toEqual(servingSpecOf(demandForecast, names));
    const redacting = { redact: [{ field: 'temp', how: 'drop' }] } as const;
    const both = { ...demandForecast, serving: { ...demandForecast.serving, capture: { ...redacting, retentionDays: 100 } } };
    expect(servingSpecOf(parseDefinition(both), names).capture).toEqual(redacting);
  });

  it('is never less than the longest rollout and its latest labels', () => {
    // Shadow and four canary steps, 4 + 4 + 5 + 7 + 10 days, a soak of one day, and labels an hour late.
    expect(leastRetentionDays(demandForecast)).toBe(32);
    expect(parseDefinition(keptFor(32)).serving.capture).toEqual({ retentionDays: 32 });
    const late = { labels: { expectedDelayMs: 100 * dayMs } };
    expect(leastRetentionDays({ ...demandForecast, ...late })).toBe(131);
    expect(captureRetentionMs({ ...demandForecast, ...late })).toBe(131 * dayMs);
    // Without a step that waits for labels, only their delay counts: they find their prediction by its id.
    const blueGreen = { rollout: { ...demandForecast.rollout, plan: 'blue-green' } } as const;
    expect(leastRetentionDays({ ...demandForecast, ...blueGreen })).toBe(1);
    // High risk is rolled out in shadow first, whatever is named.
    expect(leastRetentionDays({ ...demandForecast, ...blueGreen, risk: 'high' })).toBe(32);
  });

  it.each([
    [
      'less than a rollout may look back',
      keptFor(31),
      /at least 32: a rollout by shadow-then-canary may look back 31 d, and labels come up to 1 h late/,
    ],
    ['no whole days', keptFor(90.5), /whole number/],
    ['nothing at all', keptFor(0), /1/],
  ])('is refused when it is %s', (_, definition, expected) => {
    try {
      parseDefinition(definition);
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof PerennialError)) throw error;
      expect(error.details['faults']).toEqual([
        expect.objectContaining({ path: 'serving.capture.retentionDays', expected: expect.stringMatching(expected) as string }),
      ]);
    }
  });

  it('leaves room for every plan', () => {
    for (const plan of Object.values(rolloutPlans))
      expect(captureRetentionMs({ ...demandForecast, rollout: { ...demandForecast.rollout, plan: plan.name } })).toBe(90 * dayMs);
  });
});
