import { describe, expect, it } from 'vitest';
import { defineModel, definitionDigest, parseDefinition } from '../../contracts/define-model.js';
import { PerennialError } from '../../domain/errors.js';
import demandForecast from '../../models/demand-forecast.js';

type Loose = Record<string, unknown>;
const copy = () => structuredClone(demandForecast) as unknown as Record<string, Loose & Loose[]>;

function faultsOf(definition: unknown): { path: string; expected: string; found: string }[] {
  try {
    parseDefinition(definition);
  } catch (error) {
    if (error instanceof PerennialError) return error.details['faults'] as { path: string; expected: string; found: string }[];
    throw error;
  }
  return [];
}

describe('a model definition', () => {
  it('is plain JSON with a digest that the order of fields does not change', () => {
    const again = JSON.parse(JSON.stringify(demandForecast)) as Record<string, unknown>;
    expect(again).toEqual(demandForecast);
    const turned = Object.fromEntries(Object.entries(again).reverse());
    expect(definitionDigest(parseDefinition(turned))).toBe(definitionDigest(demandForecast));
    expect(definitionDigest({ ...demandForecast, window: { days: 90 } })).not.toBe(definitionDigest(demandForecast));
    expect(definitionDigest(demandForecast)).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(defineModel(demandForecast)).toEqual(demandForecast);
  });

  it('names every fault of its shape at once: path, expected, found', () => {
    const wrong = copy();
    wrong['window']!['days'] = -3;
    wrong['features']![10]!['agoMs'] = 'an hour';
    wrong['features']![11]!['kind'] = 'lagg';
    wrong['gates']![0]!['limmit'] = 0.2;
    (wrong as Loose)['risk'] = 'medium';
    delete (wrong as Loose)['owner'];
    (wrong['source']!['files'] as unknown as Loose)['secret'] = '/etc/passwd.csv';
    (wrong as Loose)['name'] = 'Demand/Forecast';
    const faults = faultsOf(wrong);
    const at = (path: string) => faults.find((fault) => fault.path === path);
    expect(at('window.days')).toEqual({ path: 'window.days', expected: 'a number above 0', found: '-3' });
    expect(at('features[10].agoMs')).toEqual({ path: 'features[10].agoMs', expected: 'a number', found: '"an hour"' });
    expect(at('features[11].kind')).toEqual({
      path: 'features[11].kind',
      expected: 'one of "input", "calendar", "lag", "rollingMean"',
      found: '"lagg"',
    });
    expect(at('gates[0].limmit')).toEqual({ path: 'gates[0].limmit', expected: 'no such field', found: '0.2' });
    expect(at('risk')).toEqual({ path: 'risk', expected: 'one of "low", "limited", "high"', found: '"medium"' });
    expect(at('owner')).toEqual({ path: 'owner', expected: 'a string', found: 'nothing' });
    expect(at('source.files.secret')?.expected).toMatch(/below the data folder/);
    expect(at('name')?.found).toBe('"Demand/Forecast"');
    expect(faults).toHaveLength(8);
    expect(() => parseDefinition(wrong)).toThrow(/the definition of Demand\/Forecast has 8 faults:\n {2}/);
  });

  it.each<[string, (definition: ReturnType<typeof copy>) => void, string, RegExp]>([
    ['an objective that is no metric', (d) => (d['tuning']!['objective'] = 'mse' as never), 'tuning.objective', /mape, wape, rmse/],
    ['a gate on an unknown metric', (d) => (d['gates']![0]!['metric'] = 'mse' as never), 'gates[0].metric', /name of a metric/],
    ['a feature of an unknown column', (d) => (d['features']![0]!['column'] = 'tmp' as never), 'features[0].column', /checks\.columns/],
    [
      'a feature of the target',
      (d) => (d['features']![0]!['column'] = 'bikers' as never),
      'features[0].column',
      /known before the outcome/,
    ],
    ['a feature named as the event time', (d) => (d['features']![7]!['name'] = 'hour' as never), 'features[7].name', /another name/],
    [
      'a feature that the request lacks',
      (d) => (d['serving']!['request'] = (d['serving']!['request'] as unknown as Loose[]).filter((f) => f['name'] !== 'hum') as never),
      'serving.request',
      /"hum"/,
    ],
    [
      'an event time that is not INT64',
      (d) => ((d['serving']!['request'] as unknown as Loose[])[0]!['datatype'] = 'FP64'),
      'serving.request (hour).datatype',
      /INT64/,
    ],
    [
      'a subject that the request lacks',
      (d) => (d['serving']!['subject'] = ['station'] as never),
      'serving.subject[0]',
      /field of serving\.request/,
    ],
    [
      'a search over an unknown hyperparameter',
      (d) => ((d['tuning']!['space'] as unknown as Loose)['depth'] = { kind: 'int', low: 1, high: 3 }),
      'tuning.space.depth',
      /trainer\.hyperparameters/,
    ],
    [
      'an empty search range',
      (d) => ((d['tuning']!['space'] as unknown as Record<string, Loose>)['num_leaves']!['low'] = 100),
      'tuning.space.num_leaves.low',
      /less than high/,
    ],
    [
      'lags over rows that are not unique by time',
      (d) => (d['checks']!['uniqueBy'] = ['hour', 'temp'] as never),
      'checks.uniqueBy',
      /one outcome for a time/,
    ],
    [
      'a nullable target',
      (d) => ((d['checks']!['columns'] as unknown as Loose[])[8]!['nullable'] = true),
      'checks.columns[8].nullable',
      /always there/,
    ],
    [
      'an event time that is no timestamp',
      (d) => ((d['checks']!['columns'] as unknown as Loose[])[0]!['type'] = 'text'),
      'checks.columns[0].type',
      /timestamp/,
    ],
    ['two features of one name', (d) => (d['features']![1]!['name'] = 'temp' as never), 'features[1].name', /features\[0\] has not got/],
    [
      'a cron with a missing field',
      (d) => ((d['retraining']!['schedules'] as unknown as Loose[])[0]!['cron'] = '0 2 * *'),
      'retraining.schedules[0].cron',
      /five cron fields/,
    ],
  ])('refuses %s', (...[, spoil, path, expected]) => {
    const definition = copy();
    spoil(definition);
    const faults = faultsOf(definition);
    expect(faults.map((fault) => fault.path)).toContain(path);
    expect(faults.find((fault) => fault.path === path)?.expected).toMatch(expected);
  });

  it('refuses what is no definition at all', () => {
    for (const value of [null, 7, 'demand', []]) expect(() => parseDefinition(value)).toThrow(/1 fault/);
  });
});

describe('demand-forecast', () => {
  it('says what the lifecycle relies on', () => {
    expect(demandForecast).toMatchObject({
      risk: 'limited',
      window: { days: 200 },
      trainer: { name: 'lightgbm', refit: true, hyperparameters: { objective: 'poisson' } },
      rollout: { plan: 'shadow-then-canary' },
    });
    expect(demandForecast.metrics).toContainEqual({ kind: 'mape', name: 'mape', floor: 100 });
    expect(demandForecast.gates).toContainEqual({ kind: 'maximum', metric: 'mape', limit: 0.15, minRows: 200 });
    expect(demandForecast.retraining.schedules[0]).toMatchObject({ cron: '0 2 * * *', overlap: 'skip', catchUpWindowMs: 600_000 });
    expect(demandForecast.card.limitations.join(' ')).toMatch(/observed, not forecast/);
  });
});
