import type { Capture, CaptureStore } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import { bucketCount, bucketOf } from '../../domain/routing.js';
import { ownTurn } from '../own-turn.js';
import { LoopPressure } from './loop-pressure.js';
import { isRefusal } from './store-refusal.js';

export type CaptureLimits = {
  readonly everyMs: number;
  readonly batchRows: number;
  readonly maxRows: number;
  /** How long the thread may be busy on end before captures are thinned out. */
  readonly busyAfterMs: number;
};

/** Share of the buffer up to which every prediction is captured; from there on they are thinned out, the fuller the more. */
const wholeBelow = 0.1;
/**
 * How long the store is left alone after a write, as a share of what the write took: captures take no more than half of its
 * time, and no more than a fifth while this thread has none to spare, since store and gateway may share a machine.
 */
const restShare = 1;
const busyRestShare = 4;

/** Rows of one request that are taken within one turn of the event loop: some milliseconds. */
const rowsATurn = 500;

const retryAfterMs = [100, 250, 500, 1_000, 2_000];
/** A backlog is written in larger batches: up to so many times the usual. */
const backlogBatches = 4;

/**
 * Captures on their way to the store: bounded, written in batches in the background, never waited for by an answer. What
 * the store or a busy thread cannot take is thinned out by request; while the store is away captures are kept and tried again.
 * What is not kept is counted.
 */
export class CaptureBuffer {
  readonly #store: CaptureStore;
  readonly #limits: CaptureLimits;
  readonly #pressure: LoopPressure;
  #waiting: Capture[] = [];
  #writing: Capture[] = [];
  #timer: NodeJS.Timeout | undefined;
  #dueIn = Infinity;
  #closed = false;
  #failures = 0;
  /** Rows of the next write at most: fewer after a refusal, so that what is refused is found, and given up alone. */
  #mostRows: number;
  #listeners: (() => void)[] = [];
  /** Captures accepted so far, and those stored or given up. */
  #accepted = 0;
  #settled = 0;
  /** Requests whose rows are still being taken. */
  #coming = 0;
  dropped = 0;
  /** Requests that were not captured because they come faster than the store takes them, or than this thread has time for. */
  sampledOut = 0;
  written = 0;
  lastFailure: string | null = null;

  constructor(store: CaptureStore, limits: CaptureLimits, pressure = new LoopPressure(limits.busyAfterMs)) {
    this.#store = store;
    this.#limits = limits;
    this.#mostRows = limits.batchRows * backlogBatches;
    this.#pressure = pressure;
  }

  get waiting(): number {
    return this.#waiting.length + this.#writing.length;
  }

  /**
   * Whether a request is to be captured now; one that is not is counted. It goes by the id, so that of one request every
   * version's answers are kept or none.
   */
  admits(id: string): boolean {
    const fill = this.waiting / this.#limits.maxRows;
    const room = fill < wholeBelow ? 1 : (1 - fill) / (1 - wholeBelow);
    const share = Math.min(room, this.#pressure.share);
    if (share >= 1 || bucketOf('capture', id) < share * bucketCount) return true;
    this.sampledOut++;
    return false;
  }

  add(capture: Capture): void {
    if (this.waiting >= this.#limits.maxRows) {
      this.dropped++;
      return;
    }
    this.#accepted++;
    this.#waiting.push(capture);
    if (this.#writing.length > 0 || this.#failures > 0) return;
    if (this.#waiting.length >= this.#limits.batchRows) this.#writeIn(0);
    else if (this.#timer === undefined) this.#writeIn(this.#limits.everyMs);
  }

  /** Takes the captures of a request's rows, of many rows by and by: nobody waits for them, and others want their turn. */
  addRows(rows: number, captureOf: (row: number) => Capture): void {
    let row = 0;
    this.#coming++;
    const take = (): void => {
      for (const end = Math.min(rows, row + rowsATurn); row < end; row++) this.add(captureOf(row));
      if (row < rows) void ownTurn().then(take);
      else this.#coming--;
    };
    take();
  }

  /** Resolves when all captures accepted so far are stored; `Unavailable` when that takes longer than `limitMs`. */
  async flush(limitMs: number): Promise<void> {
    while (this.#coming > 0) await new Promise((resolve) => setImmediate(resolve));
    const until = this.#accepted;
    if (this.#settled >= until) return;
    if (this.#writing.length === 0) this.#writeIn(0);
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (this.#settled < until) return void this.#listeners.push(check);
        clearTimeout(limit);
        resolve();
      };
      const limit = setTimeout(() => {
        const reason = this.lastFailure === null ? 'the store is slow' : this.lastFailure;
        reject(new PerennialError('Unavailable', `${this.waiting} captures are not stored after ${limitMs} ms: ${reason}`));
      }, limitMs);
      check();
    });
  }

  /** Stops writing; what is still here is lost. */
  close(): void {
    clearTimeout(this.#timer);
    this.#pressure.close();
    this.#closed = true;
  }

  #writeIn(ms: number): void {
    if (this.#closed) return;
    if (this.#timer !== undefined) {
      if (this.#dueIn <= ms) return;
      clearTimeout(this.#timer);
    }
    this.#dueIn = ms;
    this.#timer = setTimeout(() => void this.#write(), ms);
  }

  /** One of these rows is refused, and the others with it: they are written in smaller batches. */
  #halve(): void {
    this.#mostRows = Math.ceil(this.#writing.length / 2);
    this.#waiting = [...this.#writing, ...this.#waiting];
    this.#writing = [];
    this.#writeIn(0);
  }

  async #write(): Promise<void> {
    this.#timer = undefined;
    this.#dueIn = Infinity;
    if (this.#writing.length === 0) {
      const rows = Math.min(this.#waiting.length, this.#mostRows);
      if (rows === 0) return;
      this.#writing = this.#waiting.slice(0, rows);
      this.#waiting = this.#waiting.slice(rows);
    }
    const startedMs = performance.now();
    try {
      await this.#store.write(this.#writing);
      this.written += this.#writing.length;
      this.#failures = 0;
      this.lastFailure = null;
      this.#mostRows = Math.min(this.#mostRows * 2, this.#limits.batchRows * backlogBatches);
    } catch (error) {
      this.lastFailure = error instanceof Error ? error.message : String(error);
      if (!isRefusal(error)) {
        this.#writeIn(retryAfterMs[Math.min(this.#failures++, retryAfterMs.length - 1)]!);
        return;
      }
      this.#failures = 0;
      if (this.#writing.length > 1) return this.#halve();
      this.dropped++;
    }
    this.#settled += this.#writing.length;
    this.#writing = [];
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
    if (this.#waiting.length === 0) return;
    if (this.#listeners.length > 0) return this.#writeIn(0);
    const restMs = (performance.now() - startedMs) * (this.#pressure.share < 1 ? busyRestShare : restShare);
    this.#writeIn(this.#waiting.length >= this.#limits.batchRows ? restMs : Math.max(restMs, this.#limits.everyMs));
  }
}
