import { RequestError } from '../http/request-error.js';
import type { Runner } from './runner.js';
import type { NamedTensors, Tensor } from './tensors.js';
import { concatenate, sliceRows } from './tensors.js';

export type BatchLimits = {
  /** Whether requests can be put together along the first dimension. */
  readonly batchable: boolean;
  /** Most rows of one run, unless one request alone has more. */
  readonly maxRows: number;
  /** Requests that may wait. */
  readonly maxWaiting: number;
  onBatch?(batch: { readonly requests: number; readonly rows: number; readonly ms: number }): void;
  /** How long a request waited before its run began. */
  onQueued?(ms: number): void;
};

/** What a request wishes of its run. */
export type RunWish = {
  /** How long it waits, for its turn and for the answer, before it is given up. */
  readonly limitMs: number;
  /** 1 is served first; 0 stands for `defaultPriority`. */
  readonly priority?: number | undefined;
  /** When the caller does not want the answer any more, by `performance.now()`. */
  readonly deadlineMs?: number | undefined;
  /** Looked at when its turn comes: a request whose caller has gone is not run. */
  readonly cancel?: Cancel | undefined;
  /** Is told of the run, where the request is traced. */
  readonly trace?: RunTrace | undefined;
};

export type RunTrace = { runBegan(batch: { readonly rows: number; readonly requests: number }): void; runEnded(): void };

/** Whether the caller has gone; an `AbortSignal` is one. */
export type Cancel = { readonly aborted: boolean };

/** Where requests stand that say nothing of priority; work that can wait has a higher number. */
export const defaultPriority = 100;

type Waiting = {
  readonly feeds: NamedTensors;
  readonly rows: number;
  readonly priority: number;
  readonly arrivedMs: number;
  readonly deadlineMs: number;
  readonly cancel: Cancel | undefined;
  readonly trace: RunTrace | undefined;
  readonly resolve: (outputs: NamedTensors) => void;
  readonly reject: (error: unknown) => void;
  timer: NodeJS.Timeout | undefined;
  settled: boolean;
};

/**
 * Runs together what arrives together: all requests of one turn of the event loop form one run (no waiting by the clock),
 * and while the model is busy the next batch gathers by itself. The event loop turns between two runs in place, so that
 * nothing waits longer than one run. The queue is bounded, in order of priority, and holds nobody past his deadline. When
 * a batch fails, each of its requests is run alone, so that one request's values never fail another's.
 */
export class Batcher {
  readonly #runner: Runner;
  readonly #limits: BatchLimits;
  /** In order of priority, then of arrival. */
  #waiting: Waiting[] = [];
  #scheduled = false;
  #running = 0;
  #batches = 0;
  /** Requests that gave up since the queue was last looked through. */
  #overdue = 0;

  constructor(runner: Runner, limits: BatchLimits) {
    this.#runner = runner;
    this.#limits = limits;
  }

  /** Requests waiting or running. */
  get pending(): number {
    return this.#waiting.length + this.#running;
  }

  /**
   * Why a request of this priority would be refused now, or null: too many wait, and none of them less urgently. To be asked
   * before anything is done for it, since under a flood what is done for the refused is taken from the others.
   */
  refusal(priority: number | undefined): RequestError | null {
    if (!this.#isFull) return null;
    return this.#waiting.at(-1)!.priority > rankOf(priority) ? null : tooMany(this.#waiting.length);
  }

  /**
   * Outputs of these rows within this turn, from a model that gains nothing from a batch: past those that wait, which are
   * longer than a turn may be. Null where the request is such a one itself, or the model another; then it is for `run`.
   * Throws what `run` rejects with.
   */
  runNow(feeds: NamedTensors, rows: number, { deadlineMs = Infinity, cancel, trace }: RunWish): NamedTensors | null {
    const runner = this.#runner;
    if (runner.runNow === undefined || rows > this.#limits.maxRows) return null;
    if (cancel?.aborted === true) throw gone();
    const startedMs = performance.now();
    if (deadlineMs <= startedMs) throw expired();
    trace?.runBegan({ rows, requests: 1 });
    let outputs: NamedTensors;
    try {
      outputs = runner.runNow(feeds);
    } catch (error) {
      throw failure(error);
    }
    trace?.runEnded();
    this.#limits.onQueued?.(0);
    this.#limits.onBatch?.({ requests: 1, rows, ms: performance.now() - startedMs });
    return outputs;
  }

  /**
   * Outputs of these rows. Rejects with a `RequestError`: `overloaded` when too many wait already and none of them less
   * urgently, `timeout` after `limitMs`, `expired` past the deadline, `cancelled` when the caller has gone,
   * `inferenceFailed` with the model's own reason.
   */
  run(feeds: NamedTensors, rows: number, wish: RunWish): Promise<NamedTensors> {
    const priority = rankOf(wish.priority);
    if (this.#isFull && !this.#giveWay(priority)) return Promise.reject(tooMany(this.#waiting.length));
    return new Promise((resolve, reject) => {
      const { limitMs, deadlineMs = Infinity, cancel, trace } = wish;
      const arrivedMs = performance.now();
      const timer = undefined;
      const entry: Waiting = { feeds, rows, priority, arrivedMs, deadlineMs, cancel, trace, resolve, reject, timer, settled: false };
      const leftMs = deadlineMs - arrivedMs;
      // In place nothing else can happen while the model computes, and the queue is short: what is overdue is seen at its turn.
      if (this.#runner.placement === 'thread')
        entry.timer =
          leftMs <= limitMs
            ? setTimeout(() => this.#giveUp(entry, expired()), Math.max(leftMs, 0))
            : setTimeout(() => this.#giveUp(entry, tooSlow(limitMs)), limitMs);
      this.#enqueue(entry);
      this.#schedule();
    });
  }

  get #isFull(): boolean {
    const { maxWaiting } = this.#limits;
    if (this.#waiting.length < maxWaiting) return false;
    if (this.#overdue === 0) return true;
    this.#overdue = 0;
    this.#waiting = this.#waiting.filter(({ settled }) => !settled);
    return this.#waiting.length >= maxWaiting;
  }

  /** It waits no more, though its place in the queue is only seen at its turn. */
  #giveUp(entry: Waiting, reason: RequestError): void {
    this.#overdue++;
    refuse(entry, reason);
  }

  #enqueue(entry: Waiting): void {
    const waiting = this.#waiting;
    const last = waiting.at(-1);
    if (last === undefined || last.priority <= entry.priority) {
      waiting.push(entry);
      return;
    }
    let at = waiting.length - 1;
    while (at > 0 && waiting[at - 1]!.priority > entry.priority) at--;
    waiting.splice(at, 0, entry);
  }

  /** Makes room for a request by refusing the last of those that are less urgent; false when there is none. */
  #giveWay(priority: number): boolean {
    const last = this.#waiting.at(-1);
    if (last === undefined || last.priority <= priority) return false;
    this.#waiting.pop();
    refuse(last, tooMany(this.#waiting.length));
    return true;
  }

  #schedule(): void {
    if (this.#scheduled || this.#batches >= this.#runner.lanes || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#begin();
    });
  }

  #begin(): void {
    while (this.#batches < this.#runner.lanes) {
      const batch = this.#take();
      if (batch.length === 0) return;
      this.#batches++;
      this.#running += batch.length;
      void this.#runBatch(batch).finally(() => {
        this.#batches--;
        this.#running -= batch.length;
        this.#schedule();
      });
    }
  }

  /** The next entries that still want an answer, up to the most rows of one run (at least one entry). */
  #take(): Waiting[] {
    const { batchable, maxRows, onQueued } = this.#limits;
    const batch: Waiting[] = [];
    const nowMs = performance.now();
    let rows = 0;
    let taken = 0;
    for (const entry of this.#waiting) {
      if (!entry.settled && isWanted(entry, nowMs)) {
        if (batch.length > 0 && (!batchable || rows + entry.rows > maxRows)) break;
        batch.push(entry);
        rows += entry.rows;
        onQueued?.(nowMs - entry.arrivedMs);
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
    let isTraced = false;
    for (const entry of batch) {
      rows += entry.rows;
      if (entry.trace !== undefined) isTraced = true;
    }
    if (isTraced) for (const { trace } of batch) trace?.runBegan({ rows, requests: batch.length });
    try {
      const outputs = await this.#runner.run(batch.length === 1 ? first.feeds : together(batch));
      if (isTraced) for (const { trace } of batch) trace?.runEnded();
      this.#limits.onBatch?.({ requests: batch.length, rows, ms: performance.now() - startedMs });
      if (batch.length === 1) return settle(first, outputs);
      for (const name in outputs)
        if (outputs[name]!.dims[0] !== rows) throw new Error('the model answers another number of rows than it was asked');
      let from = 0;
      for (const entry of batch) {
        settle(entry, part(outputs, { from, rows: entry.rows }));
        from += entry.rows;
      }
    } catch (error) {
      if (batch.length === 1) return refuse(first, failure(error));
      for (const entry of batch) if (!entry.settled && isWanted(entry, performance.now())) await this.#runBatch([entry]);
    }
  }
}

function rankOf(priority: number | undefined): number {
  return priority === undefined || priority === 0 ? defaultPriority : priority;
}

/** Whether a request shall still be run; one that shall not is told why. */
function isWanted(entry: Waiting, nowMs: number): boolean {
  if (entry.cancel?.aborted === true) refuse(entry, gone());
  else if (entry.deadlineMs <= nowMs) refuse(entry, expired());
  return !entry.settled;
}

function tooSlow(limitMs: number): RequestError {
  return new RequestError('timeout', `the version did not answer within ${limitMs} ms`);
}

function gone(): RequestError {
  return new RequestError('cancelled', 'the caller has gone');
}

function expired(): RequestError {
  return new RequestError('expired', 'the deadline that the caller gave passed before its turn came: allow more time, or ask less at once');
}

function tooMany(waiting: number): RequestError {
  return new RequestError('overloaded', `${waiting} requests already wait for this version: try again later`);
}

function failure(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  return new RequestError('inferenceFailed', `the model failed: ${error instanceof Error ? error.message : String(error)}`);
}

function settle(entry: Waiting, outputs: NamedTensors): void {
  if (entry.timer !== undefined) clearTimeout(entry.timer);
  entry.settled = true;
  entry.resolve(outputs);
}

function refuse(entry: Waiting, reason: RequestError): void {
  if (entry.timer !== undefined) clearTimeout(entry.timer);
  entry.settled = true;
  entry.reject(reason);
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
