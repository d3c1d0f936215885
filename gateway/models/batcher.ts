import { RequestError } from '../http/request-error.js';
import type { Runner } from './runner.js';
import type { NamedTensors, Tensor } from './tensors.js';
import { concatenate, sliceRows } from './tensors.js';

export type BatchLimits = {
  readonly maxRows: number;
  readonly maxWaiting: number;
  onBatch?(batch: { requests: number; rows: number; ms: number }): void;
};

type Waiting = {
  readonly feeds: NamedTensors;
  readonly rows: number;
  readonly resolve: (outputs: NamedTensors) => void;
  readonly reject: (error: unknown) => void;
  timer: NodeJS.Timeout | undefined;
  settled: boolean;
};

/**
 * Runs together what arrives together: all requests of one event-loop turn form one run (no waiting by the clock), and
 * while a model in a thread is busy the next batch gathers by itself. When a batch fails, each of its requests is run
 * alone, so that one request's values never fail another's.
 */
export class Batcher {
  readonly #runner: Runner;
  readonly #batchable: boolean;
  readonly #limits: BatchLimits;
  #waiting: Waiting[] = [];
  #scheduled = false;
  #running = 0;

  constructor(runner: Runner, options: BatchLimits & { batchable: boolean }) {
    this.#runner = runner;
    this.#batchable = options.batchable;
    this.#limits = options;
  }

  /** Requests waiting or running. */
  get pending(): number {
    return this.#waiting.length + this.#running;
  }

  /**
   * Outputs of these rows. Rejects with a `RequestError`: `overloaded` when too many wait already, `timeout` after
   * `limitMs` (only where the model runs in a thread: in place nothing else could run meanwhile), `inferenceFailed` with
   * the model's own reason.
   */
  run(feeds: NamedTensors, rows: number, limitMs: number): Promise<NamedTensors> {
    if (this.#waiting.length >= this.#limits.maxWaiting) {
      return Promise.reject(
        new RequestError('overloaded', `${this.#waiting.length} requests already wait for this version: try again later`),
      );
    }
    return new Promise((resolve, reject) => {
      const entry: Waiting = { feeds, rows, resolve, reject, timer: undefined, settled: false };
      if (this.#runner.placement === 'thread') {
        entry.timer = setTimeout(() => {
          entry.settled = true;
          reject(new RequestError('timeout', `the version did not answer within ${limitMs} ms`));
        }, limitMs);
      }
      this.#waiting.push(entry);
      this.#schedule();
    });
  }

  #schedule(): void {
    // One run at a time in a thread: what arrives meanwhile becomes the next batch.
    if (this.#scheduled || (this.#runner.placement === 'thread' && this.#running > 0)) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    do {
      const batch = this.#take();
      if (batch.length === 0) return;
      this.#running += batch.length;
      void this.#runBatch(batch).finally(() => {
        this.#running -= batch.length;
        if (this.#waiting.length > 0) this.#schedule();
      });
    } while (this.#runner.placement === 'inPlace');
  }

  /** The next entries that still want an answer, up to the most rows of one run (at least one entry). */
  #take(): Waiting[] {
    const batch: Waiting[] = [];
    let rows = 0;
    let taken = 0;
    for (const entry of this.#waiting) {
      if (!entry.settled) {
        if (batch.length > 0 && (!this.#batchable || rows + entry.rows > this.#limits.maxRows)) break;
        batch.push(entry);
        rows += entry.rows;
      }
      taken++;
    }
    this.#waiting = taken === this.#waiting.length ? [] : this.#waiting.slice(taken);
    return batch;
  }

  async #runBatch(batch: readonly Waiting[]): Promise<void> {
    const startedMs = performance.now();
    const first = batch[0]!;
    let rows = 0;
    for (const entry of batch) rows += entry.rows;
    try {
      const outputs = await this.#runner.run(batch.length === 1 ? first.feeds : together(batch));
      this.#limits.onBatch?.({ requests: batch.length, rows, ms: performance.now() - startedMs });
      if (batch.length === 1) return settle(first, outputs);
      if (!Object.values(outputs).every((tensor) => tensor.dims[0] === rows))
        throw new Error('the model answers another number of rows than it was asked');
      let from = 0;
      for (const entry of batch) {
        settle(entry, part(outputs, { from, rows: entry.rows }));
        from += entry.rows;
      }
    } catch (error) {
      if (batch.length === 1) return fail(first, error);
      for (const entry of batch) await this.#runBatch([entry]);
    }
  }
}

function settle(entry: Waiting, outputs: NamedTensors): void {
  clearTimeout(entry.timer);
  entry.resolve(outputs);
}

function fail(entry: Waiting, error: unknown): void {
  clearTimeout(entry.timer);
  entry.reject(
    error instanceof RequestError
      ? error
      : new RequestError('inferenceFailed', `the model failed: ${error instanceof Error ? error.message : String(error)}`),
  );
}

function together(batch: readonly Waiting[]): NamedTensors {
  const feeds: Record<string, Tensor> = {};
  for (const name in batch[0]!.feeds) feeds[name] = concatenate(batch.map((entry) => entry.feeds[name]!));
  return feeds;
}

function part(outputs: NamedTensors, rows: { from: number; rows: number }): NamedTensors {
  const slice: Record<string, Tensor> = {};
  for (const name in outputs) slice[name] = sliceRows(outputs[name]!, rows.from, rows.rows);
  return slice;
}
