import { describe, expect, it } from 'vitest';
import { cachedStep, stepKey } from '../../activities/step-cache.js';
import { PerennialError } from '../../domain/errors.js';
import { dataWorld } from './world.js';

const object = async (world: Awaited<ReturnType<typeof dataWorld>>, text: string) => world.objects.put(Buffer.from(text), 'text/plain');
const context = (run: string, useCache = true) => ({ model: 'rentals', run, useCache });

describe('a cached step', () => {
  it('runs once for one step, code version and inputs, whatever the order of the inputs', async () => {
    const world = await dataWorld();
    let runs = 0;
    const at = (run: string, change: object = {}) =>
      cachedStep(world, { step: 'features', context: context(run), codeVersion: '1', inputs: { a: 1, b: [2] }, ...change }, async () => ({
        output: await object(world, 'same'),
        runs: ++runs,
      }));
    expect((await at('run-1')).reusedFrom).toBeUndefined();
    expect(await at('run-2', { inputs: { b: [2], a: 1 } })).toMatchObject({ runs: 1, reusedFrom: 'run-1' });
    expect(await at('run-3', { inputs: { a: 2, b: [2] } })).toMatchObject({ runs: 2 });
    expect(await at('run-4', { codeVersion: '2' })).toMatchObject({ runs: 3 });
    expect(await at('run-5', { step: 'split' })).toMatchObject({ runs: 4 });
    expect(await at('run-6', { context: context('run-6', false) })).toMatchObject({ runs: 5 });
    // What ran without looking was kept.
    expect(await at('run-7')).toMatchObject({ runs: 5, reusedFrom: 'run-6' });
  });

  it('runs again when an object of its output is gone, and keeps no failure', async () => {
    const world = await dataWorld();
    let gone: string | undefined;
    const deps = { ...world, objects: { has: async (digest: string) => digest !== gone && world.objects.has(digest) } };
    const at = (run: string) =>
      cachedStep(deps, { step: 'split', context: context(run), codeVersion: '1', inputs: {} }, async () => ({
        parts: { holdout: { object: await object(world, 'holdout') } },
      }));
    const first = await at('run-1');
    expect((await at('run-2')).reusedFrom).toBe('run-1');
    gone = first.parts.holdout.object.digest;
    expect((await at('run-3')).reusedFrom).toBeUndefined();

    const failing = () =>
      cachedStep(world, { step: 'check', context: context('run-1'), codeVersion: '1', inputs: {} }, () =>
        Promise.reject(new PerennialError('DataInvalid', 'bad')),
      );
    await expect(failing()).rejects.toThrow('bad');
    await expect(failing()).rejects.toThrow('bad');
    expect(stepKey({ step: 'a', codeVersion: '1', inputs: {} })).not.toBe(stepKey({ step: 'a', codeVersion: '2', inputs: {} }));
  });
});
