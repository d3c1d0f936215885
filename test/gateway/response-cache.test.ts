import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cacheKey } from '../../gateway/cache/cache-key.js';
import { ResponseCache } from '../../gateway/cache/response-cache.js';
import { RequestError } from '../../gateway/http/request-error.js';
import type { NamedTensors } from '../../gateway/models/tensors.js';
import type { Predicted } from '../../gateway/plans/serving-plan.js';

const floats = (...values: number[]): NamedTensors => ({
  x: { type: 'float32', dims: [1, values.length], data: Float32Array.from(values) },
});
const texts = (...data: string[]): NamedTensors => ({ text: { type: 'string', dims: [data.length], data } });
const answerOf = (value: number): Predicted => ({
  outputs: [{ name: 'y', datatype: 'FP32', shape: [1], data: Float32Array.of(value) }],
  values: [value],
});

function counted(): { hits: number; misses: number; cacheHit(): void; cacheMiss(): void } {
  return {
    hits: 0,
    misses: 0,
    cacheHit() {
      this.hits++;
    },
    cacheMiss() {
      this.misses++;
    },
  };
}

function open(options: { ttlMs?: number; maxEntries?: number; maxBytes?: number } = {}) {
  const counts = counted();
  const { ttlMs = 60_000, maxEntries = 100, maxBytes = 1_000_000 } = options;
  const cache = new ResponseCache({ ttlMs, maxEntries }, { maxBytes, counts });
  let runs = 0;
  const ask = (value: number, run = () => Promise.resolve(answerOf(value))) =>
    cache.answer({
      feeds: floats(value),
      limitMs: 5_000,
      run: () => {
        runs++;
        return run();
      },
    });
  return { cache, counts, ask, runs: () => runs };
}

describe('the key of an input', () => {
  it('is the same just for the same tensors', () => {
    const feeds = fc.record({
      dims: fc.constantFrom([1, 4], [4, 1], [2, 2], [4]),
      data: fc.array(fc.float({ noNaN: true }), { minLength: 4, maxLength: 4 }),
      words: fc.array(fc.string(), { minLength: 2, maxLength: 2 }),
    });
    const of = ({ dims, data, words }: { dims: readonly number[]; data: number[]; words: string[] }): NamedTensors => ({
      x: { type: 'float32', dims, data: Float32Array.from(data) },
      words: { type: 'string', dims: [2], data: words },
    });
    fc.assert(
      fc.property(feeds, feeds, (a, b) => {
        const same =
          a.dims.join() === b.dims.join() &&
          a.data.every((value, i) => Object.is(Math.fround(value), Math.fround(b.data[i]!))) &&
          a.words.every((word, i) => word === b.words[i]);
        expect(cacheKey(of(a), 'none') === cacheKey(of(b), 'none')).toBe(same);
        expect(cacheKey(of(a), 'none')).toBe(cacheKey(of(structuredClone(a)), 'none'));
      }),
    );
  });

  it('is short for long inputs, and tells them apart', () => {
    const long = Array.from({ length: 10_000 }, (_, i) => i);
    const key = cacheKey(floats(...long), 'none');
    expect(key.length).toBeLessThan(100);
    expect(cacheKey(floats(...long), 'none')).toBe(key);
    long[9_999] = -1;
    expect(cacheKey(floats(...long), 'none')).not.toBe(key);
    const prompt = 'word '.repeat(1_000);
    expect(cacheKey(texts(prompt), 'none').length).toBeLessThan(100);
    expect(cacheKey(texts(prompt), 'none')).not.toBe(cacheKey(texts(`${prompt}!`), 'none'));
  });

  it('takes texts as the normalisation says, and keeps their places apart', () => {
    expect(cacheKey(texts(' Hello '), 'none')).not.toBe(cacheKey(texts('Hello'), 'none'));
    expect(cacheKey(texts(' Hello '), 'trim')).toBe(cacheKey(texts('Hello'), 'trim'));
    expect(cacheKey(texts('hello'), 'trim')).not.toBe(cacheKey(texts('Hello'), 'trim'));
    expect(cacheKey(texts(' HELLO'), 'lowercase')).toBe(cacheKey(texts('hello'), 'lowercase'));
    expect(cacheKey(texts('a', '1:b'), 'none')).not.toBe(cacheKey(texts('a1:', 'b'), 'none'));
  });
});

describe('the response cache', () => {
  it('answers again without a run, and not after its time', async () => {
    const { ask, counts, runs } = open({ ttlMs: 30 });
    expect(await ask(1)).toMatchObject({ cached: false, predicted: { values: [1] } });
    expect(await ask(2)).toMatchObject({ cached: false });
    expect(runs()).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(await ask(1)).toMatchObject({ cached: false });
    expect(runs()).toBe(3);
    const lasting = open();
    await lasting.ask(1);
    expect(await lasting.ask(1)).toMatchObject({ cached: true, predicted: { values: [1], outputs: [{ data: Float32Array.of(1) }] } });
    expect(lasting.counts).toMatchObject({ hits: 1, misses: 1 });
    expect(counts).toMatchObject({ hits: 0, misses: 3 });
  });

  it('keeps the most recently used, in number and in bytes', async () => {
    const few = open({ maxEntries: 2 });
    for (const value of [1, 2, 1, 3]) await few.ask(value);
    expect(few.cache.size).toBe(2);
    expect(await few.ask(1)).toMatchObject({ cached: true });
    expect(await few.ask(2)).toMatchObject({ cached: false });
    const small = open({ maxBytes: 2_000 });
    for (let value = 0; value < 50; value++) await small.ask(value);
    expect(small.cache.bytes).toBeLessThanOrEqual(2_000);
    expect(small.cache.size).toBeGreaterThan(1);
    expect(await small.ask(49)).toMatchObject({ cached: true });
    const tiny = open({ maxBytes: 10 });
    await tiny.ask(1);
    expect(tiny.cache).toMatchObject({ size: 0, bytes: 0 });
  });

  it('keeps a copy, not the memory of the batch that the answer is a part of', async () => {
    const batch = new Float32Array(1_000);
    const { ask } = open();
    const whole: Predicted = { outputs: [{ name: 'y', datatype: 'FP32', shape: [1], data: batch.subarray(0, 1) }], values: [0] };
    await ask(1, () => Promise.resolve(whole));
    batch[0] = 7;
    const { predicted } = await ask(1);
    const data = predicted.outputs[0]!.data as Float32Array;
    expect(data[0]).toBe(0);
    expect(data.buffer.byteLength).toBe(4);
  });

  it('lets requests that ask the same at once share one run', async () => {
    const { ask, counts, runs } = open();
    let finish: (predicted: Predicted) => void = () => undefined;
    const slow = () => new Promise<Predicted>((resolve) => (finish = resolve));
    const asked = Array.from({ length: 10 }, () => ask(1, slow));
    finish(answerOf(1));
    const answers = await Promise.all(asked);
    expect(answers.filter(({ cached }) => !cached)).toHaveLength(1);
    expect(answers.every(({ predicted }) => predicted.values[0] === 1)).toBe(true);
    expect(runs()).toBe(1);
    expect(counts).toMatchObject({ hits: 9, misses: 1 });
  });

  it('gives nobody another request’s error, and keeps none', async () => {
    const { ask, cache } = open();
    let fail: (error: Error) => void = () => undefined;
    const first = ask(1, () => new Promise<Predicted>((_, reject) => (fail = reject)));
    const second = ask(1);
    fail(new RequestError('timeout', 'the caller of the first has gone'));
    await expect(first).rejects.toThrow('has gone');
    expect(await second).toMatchObject({ cached: false, predicted: { values: [1] } });
    await expect(ask(2, () => Promise.reject(new RequestError('inferenceFailed', 'broken')))).rejects.toThrow('broken');
    expect(cache.size).toBe(1);
  });

  it('lets nobody wait for another one’s run longer than its own time', async () => {
    const { cache, ask } = open();
    let finish: (predicted: Predicted) => void = () => undefined;
    const first = ask(1, () => new Promise<Predicted>((resolve) => (finish = resolve)));
    const hasty = cache.answer({ feeds: floats(1), limitMs: 5, run: () => Promise.reject(new Error('not to be run')) });
    await expect(hasty).rejects.toMatchObject({ kind: 'timeout' });
    finish(answerOf(1));
    expect(await first).toMatchObject({ cached: false });
  });
});
