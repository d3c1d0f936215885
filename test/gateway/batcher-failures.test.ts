import { expect, it } from 'vitest';
import { Batcher } from '../../gateway/models/batcher.js';
import type { Runner } from '../../gateway/models/runner.js';
import type { NamedTensors } from '../../gateway/models/tensors.js';

const feeds = (...values: number[]): NamedTensors => ({
  x: { type: 'float32', dims: [values.length, 1], data: Float32Array.from(values) },
});
const turns = (ms = 5): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const kindOf = (answer: Promise<unknown>): Promise<unknown> =>
  answer.then(
    () => 'answered',
    (error: { kind: string }) => error.kind,
  );

/** A batcher whose runs end when the test says how. */
function open() {
  const runs: { readonly values: number[]; readonly feeds: NamedTensors; done(outputs: NamedTensors): void; fail(reason: Error): void }[] =
    [];
  const runner: Runner = {
    placement: 'thread',
    lanes: 1,
    inputs: [],
    outputs: [],
    run: (given) =>
      new Promise((done, fail) => runs.push({ values: Array.from(given['x']!.data as Float32Array), feeds: given, done, fail })),
    release: () => Promise.resolve(),
  };
  return { runs, queue: new Batcher(runner, { batchable: true, maxRows: 4, maxWaiting: 2 }) };
}

it('runs nobody alone after a failed batch who does not want the answer any more', async () => {
  const { runs, queue } = open();
  const gone = { aborted: false };
  const answers = [
    queue.run(feeds(1), 1, { limitMs: 20 }),
    queue.run(feeds(2), 1, { limitMs: 60_000, cancel: gone }),
    queue.run(feeds(3), 1, { limitMs: 60_000 }),
  ].map(kindOf);
  // The queue holds two; the third is refused at once.
  expect(await answers[2]).toBe('overloaded');
  await turns();
  expect(runs.map(({ values }) => values)).toEqual([[1, 2]]);
  expect(await answers[0]).toBe('timeout');
  gone.aborted = true;
  const last = kindOf(queue.run(feeds(4), 1, { limitMs: 60_000 }));
  runs[0]!.fail(new Error('the batch failed'));
  await turns();
  expect(await answers[1]).toBe('cancelled');
  expect(runs.map(({ values }) => values)).toEqual([[1, 2], [4]]);
  runs[1]!.done(runs[1]!.feeds);
  expect(await last).toBe('answered');
});

it('keeps no place in the queue for whoever has given up', async () => {
  const { runs, queue } = open();
  const first = kindOf(queue.run(feeds(1), 1, { limitMs: 60_000 }));
  await turns();
  const short = [2, 3].map((value) => kindOf(queue.run(feeds(value), 1, { limitMs: 10 })));
  expect(await Promise.all(short)).toEqual(['timeout', 'timeout']);
  const next = [4, 5, 6].map((value) => kindOf(queue.run(feeds(value), 1, { limitMs: 60_000 })));
  expect(await next[2]).toBe('overloaded');
  runs[0]!.done(runs[0]!.feeds);
  await turns();
  expect(runs[1]!.values).toEqual([4, 5]);
  runs[1]!.done(runs[1]!.feeds);
  expect(await Promise.all([first, next[0], next[1]])).toEqual(['answered', 'answered', 'answered']);
});
