import { afterAll, expect, it } from 'vitest';
import { createSuggester } from '../../adapters/compute/suggester.js';
import type { Trial } from '../../contracts/tune.js';
import type { HyperparameterValue } from '../../domain/model-definition.js';
import { testPlaces } from '../support/servers.js';
import { trainersFolder } from '../training/world.js';

const suggester = createSuggester({ python: testPlaces().python, trainersFolder });
afterAll(() => suggester.close());

const space = {
  num_leaves: { kind: 'int', low: 20, high: 100 },
  learning_rate: { kind: 'float', low: 0.01, high: 0.3, log: true },
  n_estimators: { kind: 'int', low: 50, high: 500 },
} as const;
type Sampler = 'bayesian' | 'random' | 'grid';
type Params = Record<string, HyperparameterValue>;

const ask = (sampler: Sampler, options: { seed?: number; trials?: readonly Trial[]; number: number; budget?: number }) =>
  suggester.suggest({
    tuning: { sampler, trials: options.budget ?? 25, parallelism: 1, objective: 'mape', space },
    direction: 'minimize',
    ...{ seed: options.seed ?? 1, trials: options.trials ?? [], number: options.number },
  });

/** Loss of a place in the space; least, 0, at (34, 0.06, 320). */
function loss(params: Params): number {
  const [leaves, rate, rounds] = [Number(params['num_leaves']), Number(params['learning_rate']), Number(params['n_estimators'])];
  return ((leaves - 34) / 80) ** 2 + Math.log(rate / 0.06) ** 2 / 3 + ((rounds - 320) / 450) ** 2;
}

async function study(sampler: Sampler, { seed, budget }: { seed: number; budget: number }): Promise<Trial[]> {
  const trials: Trial[] = [];
  for (let number = 0; number < budget; number++) {
    const params = await ask(sampler, { seed, trials, number, budget });
    trials.push({ number, params, state: 'complete', value: loss(params) });
  }
  return trials;
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

it('stays inside the space', async () => {
  for (const sampler of ['bayesian', 'random', 'grid'] as const) {
    for (const { params } of await study(sampler, { seed: 3, budget: 12 })) {
      expect(params['num_leaves']).toSatisfy((value: number) => Number.isInteger(value) && value >= 20 && value <= 100);
      expect(params['learning_rate']).toSatisfy((value: number) => value >= 0.01 && value <= 0.3);
      expect(params['n_estimators']).toSatisfy((value: number) => Number.isInteger(value) && value >= 50 && value <= 500);
    }
  }
});

it('gives a retry the same answer, also from a new process', async () => {
  const trials = (await study('bayesian', { seed: 5, budget: 12 })).map((trial, index) =>
    index === 11 ? { ...trial, state: 'running' as const, value: null } : trial,
  );
  const first = await ask('bayesian', { trials, number: 12 });
  expect(await ask('bayesian', { trials, number: 12 })).toEqual(first);
  expect(await ask('bayesian', { trials: trials.toReversed(), number: 12 })).toEqual(first);
  const other = createSuggester({ python: testPlaces().python, trainersFolder });
  const tuning = { sampler: 'bayesian', trials: 25, parallelism: 1, objective: 'mape', space } as const;
  expect(await other.suggest({ tuning, direction: 'minimize', seed: 1, trials, number: 12 })).toEqual(first);
  await other.close();
});

it('learns from earlier trials, and spreads out from running ones', async () => {
  const trials = await study('bayesian', { seed: 5, budget: 12 });
  const first = await ask('bayesian', { trials, number: 12 });
  const upsideDown = trials.map((trial) => ({ ...trial, value: -trial.value! }));
  expect(await ask('bayesian', { trials: upsideDown, number: 12 })).not.toEqual(first);
  const beside: Trial[] = [...trials, { number: 13, params: first, state: 'running', value: null }];
  expect(await ask('bayesian', { trials: beside, number: 12 })).not.toEqual(first);
  expect(await ask('random', { trials: upsideDown, number: 12 })).toEqual(await ask('random', { trials, number: 12 }));
});

it('takes failed trials and such as lie outside a narrowed space', async () => {
  const trials: Trial[] = [
    { number: 0, params: { num_leaves: 30, learning_rate: 0.1, n_estimators: 100 }, state: 'failed', value: null },
    { number: 1, params: { num_leaves: 300, learning_rate: 0.1, n_estimators: 100 }, state: 'complete', value: 1 },
    { number: 2, params: { num_leaves: 30 }, state: 'complete', value: 1 },
  ];
  expect(Object.keys(await ask('bayesian', { trials, number: 3 }))).toEqual(['num_leaves', 'learning_rate', 'n_estimators']);
});

it('beats random search at equal budget', async () => {
  const best = async (sampler: Sampler, seed: number) =>
    Math.min(...(await study(sampler, { seed, budget: 25 })).map((trial) => trial.value!));
  const seeds = Array.from({ length: 11 }, (_, seed) => seed);
  const found: Record<string, number[]> = { bayesian: [], random: [] };
  for (const seed of seeds) for (const sampler of ['bayesian', 'random'] as const) found[sampler]!.push(await best(sampler, seed));
  console.log(`median of the best of 25 over ${seeds.length} seeds: bayesian ${median(found['bayesian']!)}, random ${median(found['random']!)}`);
  expect(median(found['bayesian']!)).toBeLessThan(median(found['random']!));
});

it('walks a whole grid without repeating itself', async () => {
  const trials = await study('grid', { seed: 2, budget: 27 });
  expect(new Set(trials.map((trial) => JSON.stringify(trial.params))).size).toBe(27);
});

it('says what is wrong with a space, and goes on', async () => {
  const tuning = { sampler: 'bayesian', trials: 5, parallelism: 1, objective: 'mape', space: { depth: { kind: 'int', low: 9, high: 3 } } } as const;
  const asked = suggester.suggest({ tuning, direction: 'minimize', seed: 1, trials: [], number: 0 });
  await expect(asked).rejects.toMatchObject({ type: 'TrainerFailed', message: expect.stringContaining('trial 0 cannot be suggested') });
  expect(await ask('random', { number: 0 })).toBeDefined();
});

it('names a Python that is not there', async () => {
  const broken = createSuggester({ python: '/nowhere/python', trainersFolder });
  const tuning = { sampler: 'random', trials: 5, parallelism: 1, objective: 'mape', space } as const;
  const asked = broken.suggest({ tuning, direction: 'minimize', seed: 1, trials: [], number: 0 });
  await expect(asked).rejects.toMatchObject({ type: 'Unavailable', message: expect.stringContaining('/nowhere/python') });
});
