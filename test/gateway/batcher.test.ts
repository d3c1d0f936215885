import { describe, expect, it } from 'vitest';
import { Batcher, type BatchLimits, type RunWish } from '../../gateway/models/batcher.js';
import type { Runner } from '../../gateway/models/runner.js';
import type { NamedTensors } from '../../gateway/models/tensors.js';

/** A runner that answers what it was given, one run at a time, when the test says so. */
class HandRunner {
  readonly runs: number[][] = [];
  readonly #open: (() => void)[] = [];

  runner(placement: Runner['placement'] = 'thread', lanes = 1): Runner {
    return {
      placement,
      lanes,
      inputs: [],
      outputs: [],
      run: (feeds) => {
        this.runs.push(Array.from(feeds['x']!.data as Float32Array));
        return new Promise((resolve) => this.#open.push(() => resolve(feeds)));
      },
      release: () => Promise.resolve(),
    };
  }

  finish(): void {
    this.#open.shift()!();
  }
}

const feeds = (...values: number[]): NamedTensors => ({
  x: { type: 'float32', dims: [values.length, 1], data: Float32Array.from(values) },
});
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));
const patient: RunWish = { limitMs: 60_000 };

function batcher(hand: HandRunner, limits: Partial<BatchLimits> = {}, runner = hand.runner()): Batcher {
  return new Batcher(runner, { batchable: true, maxRows: 4, maxWaiting: 5, ...limits });
}

/** What became of a request: its values, or the kind of its error. */
async function fate(answer: Promise<NamedTensors>): Promise<unknown> {
  return answer.then(
    (outputs) => Array.from(outputs['x']!.data as Float32Array),
    (error: { kind: string }) => error.kind,
  );
}

describe('the batcher', () => {
  it('runs what came in one turn together, and what comes meanwhile in the next run', async () => {
    const hand = new HandRunner();
    const queue = batcher(hand);
    const answers = [queue.run(feeds(1), 1, patient), queue.run(feeds(2, 3), 2, patient)].map(fate);
    await turn();
    answers.push(fate(queue.run(feeds(4), 1, patient)), fate(queue.run(feeds(5), 1, patient)));
    await turn();
    expect(hand.runs).toEqual([[1, 2, 3]]);
    hand.finish();
    await turn();
    hand.finish();
    expect(await Promise.all(answers)).toEqual([[1], [2, 3], [4], [5]]);
    expect(hand.runs).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
    expect(queue.pending).toBe(0);
  });

  it.each(['inPlace', 'thread'] as const)('makes one run at a time %s, and as many as there are lanes', async (placement) => {
    const hand = new HandRunner();
    const queue = batcher(hand, { maxRows: 1 }, hand.runner(placement, 2));
    const answers = [1, 2, 3].map((value) => fate(queue.run(feeds(value), 1, patient)));
    await turn();
    expect(hand.runs).toEqual([[1], [2]]);
    hand.finish();
    await turn();
    expect(hand.runs).toEqual([[1], [2], [3]]);
    hand.finish();
    hand.finish();
    expect(await Promise.all(answers)).toEqual([[1], [2], [3]]);
  });

  it('serves the urgent first, and in order of arrival among equals', async () => {
    const hand = new HandRunner();
    const queue = batcher(hand, { maxRows: 1, maxWaiting: 9 });
    void fate(queue.run(feeds(0), 1, patient));
    await turn();
    const wishes = [0, 200, 1, 0, 1, 200].map((priority): RunWish => ({ ...patient, priority }));
    wishes.forEach((wish, index) => void fate(queue.run(feeds(index + 1), 1, wish)));
    for (let run = 0; run < 7; run++) {
      hand.finish();
      await turn();
    }
    expect(hand.runs.flat()).toEqual([0, 3, 5, 1, 4, 2, 6]);
  });

  it('never runs a request past its deadline, nor one whose caller has gone', async () => {
    const hand = new HandRunner();
    const queue = batcher(hand, { maxRows: 1 });
    const gone = new AbortController();
    const first = fate(queue.run(feeds(1), 1, patient));
    await turn();
    const late = fate(queue.run(feeds(2), 1, { ...patient, deadlineMs: performance.now() + 1 }));
    const left = fate(queue.run(feeds(3), 1, { ...patient, cancel: gone.signal }));
    const last = fate(queue.run(feeds(4), 1, patient));
    gone.abort();
    // In a thread it is told at once, though the run before has not ended.
    expect(await late).toBe('expired');
    hand.finish();
    expect(await left).toBe('cancelled');
    await turn();
    hand.finish();
    expect([await first, await last]).toEqual([[1], [4]]);
    expect(hand.runs.flat()).toEqual([1, 4]);
  });

  it('sees at its turn that a request for a model in place is past its deadline', async () => {
    const hand = new HandRunner();
    const queue = batcher(hand, { maxRows: 1 }, hand.runner('inPlace'));
    void fate(queue.run(feeds(1), 1, patient));
    await turn();
    const late = fate(queue.run(feeds(2), 1, { ...patient, deadlineMs: performance.now() }));
    hand.finish();
    expect(await late).toBe('expired');
    expect(hand.runs).toEqual([[1]]);
  });

  it('gives up a request that waits longer than it may', async () => {
    const hand = new HandRunner();
    const queue = batcher(hand, { maxRows: 1 });
    void fate(queue.run(feeds(1), 1, patient));
    await turn();
    expect(await fate(queue.run(feeds(2), 1, { limitMs: 1 }))).toBe('timeout');
  });

  it('refuses early what does not fit into the queue, the least urgent first', async () => {
    const hand = new HandRunner();
    const queue = batcher(hand, { maxRows: 1, maxWaiting: 2 });
    const running = fate(queue.run(feeds(1), 1, patient));
    await turn();
    const waiting = [2, 3].map((value) => fate(queue.run(feeds(value), 1, patient)));
    expect(await fate(queue.run(feeds(4), 1, patient))).toBe('overloaded');
    const urgent = fate(queue.run(feeds(5), 1, { ...patient, priority: 1 }));
    expect(await waiting[1]).toBe('overloaded');
    expect(await fate(queue.run(feeds(6), 1, { ...patient, priority: 200 }))).toBe('overloaded');
    for (let run = 0; run < 3; run++) {
      hand.finish();
      await turn();
    }
    expect(await Promise.all([running, waiting[0], urgent])).toEqual([[1], [2], [5]]);
    expect(hand.runs.flat()).toEqual([1, 5, 2]);
  });

  describe('over a model that gains nothing from a batch', () => {
    const instant = (hand: HandRunner): Runner => ({ ...hand.runner('inPlace'), runNow: (given) => given });

    it('runs a request at once, and counts it', () => {
      const [batches, queued]: [unknown[], number[]] = [[], []];
      const limits = { onBatch: ({ requests, rows }: { requests: number; rows: number }) => batches.push({ requests, rows }) };
      const hand = new HandRunner();
      const queue = batcher(hand, { ...limits, onQueued: (ms) => queued.push(ms) }, instant(hand));
      expect(queue.runNow(feeds(1, 2), 2, patient)).toEqual(feeds(1, 2));
      expect(batches).toEqual([{ requests: 1, rows: 2 }]);
      expect(queued).toEqual([0]);
      expect(queue.pending).toBe(0);
    });

    it('has it wait its turn where it is long, and runs the short ones meanwhile', async () => {
      const hand = new HandRunner();
      const queue = batcher(hand, {}, instant(hand));
      expect(queue.runNow(feeds(1, 2, 3, 4, 5), 5, patient)).toBeNull();
      const long = queue.run(feeds(1, 2, 3, 4, 5), 5, patient);
      expect(queue.runNow(feeds(6), 1, patient)).toEqual(feeds(6));
      await turn();
      expect(queue.runNow(feeds(7), 1, patient)).toEqual(feeds(7));
      expect(queue.pending).toBe(1);
      hand.finish();
      expect(await long).toEqual(feeds(1, 2, 3, 4, 5));
    });

    it('is not asked to where the model gains from one', () => {
      expect(batcher(new HandRunner()).runNow(feeds(1), 1, patient)).toBeNull();
    });

    it('runs nobody who has gone, or whose deadline is past, and tells what the model says', () => {
      const hand = new HandRunner();
      const queue = batcher(hand, {}, instant(hand));
      expect(() => queue.runNow(feeds(1), 1, { ...patient, cancel: { aborted: true } })).toThrow('the caller has gone');
      expect(() => queue.runNow(feeds(1), 1, { ...patient, deadlineMs: performance.now() - 1 })).toThrow('deadline');
      const failing: Runner = {
        ...hand.runner('inPlace'),
        runNow: () => {
          throw new Error('no such feature');
        },
      };
      expect(() => batcher(hand, {}, failing).runNow(feeds(1), 1, patient)).toThrow('the model failed: no such feature');
    });
  });
});
