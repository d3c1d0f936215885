import { describe, expect, it } from 'vitest';
import { cardOfVersion, modelCard } from '../../domain/card.js';
import demandForecast from '../../models/demand-forecast.js';

const facts = {
  definition: demandForecast,
  metrics: [
    { name: 'mape', kind: 'mape', value: 0.1373, count: 613, excluded: 343, floor: 100 },
    { name: 'rmse', kind: 'rmse', value: null, count: 0, excluded: 956 },
  ],
  evaluated: { rows: 956, fromMs: Date.UTC(2011, 7, 22), toMs: Date.UTC(2011, 9, 1) },
  framework: 'lightgbm 4.7.0',
  trainingRows: 4_778,
} as const;

describe('a model card', () => {
  const card = modelCard(facts);

  it('says what it is for, how good it was on which rows, with its floor, and what it cannot do', () => {
    expect(card).toContain('| mape, actual at least 100 | 13.7% | 613 | 343 |');
    expect(card).toContain('| rmse | no figure | 0 | 956 |');
    expect(card).toContain('956 held-out rows from 2011-08-22 00:00 UTC to 2011-10-01 00:00 UTC');
    expect(card).toContain('observed, not forecast');
    expect(card).toContain('- mape (actual at least 100) below 15.0%, on at least 200 rows');
    expect(card).toContain('- daily: `0 2 * * *` UTC');
    for (const heading of ['Intended use', 'Primary users', 'Metrics', 'Limitations', 'Training data', 'Features', 'Retraining', 'Gates'])
      expect(card).toContain(`\n## ${heading}\n`);
  });

  it('is the same text for the same facts, and gets its version once', () => {
    expect(modelCard(facts)).toBe(card);
    const numbered = cardOfVersion(card, '1.0.1');
    expect(numbered).toContain('| Version | 1.0.1 |');
    expect(() => cardOfVersion(numbered, '1.0.2')).toThrow(/numbered already/);
  });
});
