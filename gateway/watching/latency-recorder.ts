import { randomBytes } from 'node:crypto';
import type { LatencyRow, LatencyStore } from '../../activities/latency-ports.js';
import { PerennialError } from '../../domain/errors.js';
import type { Log } from '../log.js';
import { reasonOf } from '../log.js';
import type { GatewayMetrics } from './metrics.js';
import type { SampledFigure } from './sampled-figure.js';
import { counter, gauge } from './sampled-figure.js';
import { isRefusal } from './store-refusal.js';
import type { SlotBudget } from './version-latencies.js';

export type RecorderDeps = {
  readonly store: LatencyStore;
  /** Name of the gateway, whose processes each write rows of their own. */
  readonly gateway: string;
  readonly metrics: GatewayMetrics;
  readonly config: { readonly latencyEveryMs: number; readonly latencyLateMs: number };
  readonly log: Log;
};

/** Slots that are open, and rows that wait for the store, together. A slot is some hundred bytes to some kilobytes. */
const maxSlots = 20_000;

/** Room for the slots of a gateway that records latencies; one without a store has none. */
export const slotBudget = (hasStore: boolean): SlotBudget => ({ left: hasStore ? maxSlots : 0, dropped: 0 });

/**
 * Stores this gateway's latency sketches in the background, so that a rollout can judge many gateways as one. While the
 * store is away the newest state of each row is kept, up to a bound; then the oldest are dropped and counted.
 */
export class LatencyRecorder {
  readonly #deps: RecorderDeps;
  /** No two processes may write the same row: each state of it replaces the one before. */
  readonly #writer: string;
  /** Rows that are not stored yet, by what identifies them. */
  readonly #waiting = new Map<string, LatencyRow>();
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  /** Turns at work or waiting. */
  #turns = 0;
  #lastFailure: unknown = null;
  written = 0;
  dropped = 0;

  constructor(deps: RecorderDeps) {
    this.#deps = deps;
    this.#writer = `${deps.gateway}/${randomBytes(6).toString('base64url')}`;
  }

  start(): void {
    // A store that takes long to say that it is away must not have turns pile up behind it.
    this.#timer = setInterval(() => {
      if (this.#turns === 0) void this.#turn();
    }, this.#deps.config.latencyEveryMs);
    this.#timer.unref();
  }

  /** Resolves when all that was observed so far is stored; `Unavailable` when the store does not take it now. */
  async flush(): Promise<void> {
    await this.#turn();
    if (this.#waiting.size === 0) return;
    throw new PerennialError('Unavailable', `${this.#waiting.size} latency sketches are not stored: ${reasonOf(this.#lastFailure)}`);
  }

  /** Stores what is left and stops. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush().catch((error: unknown) => this.#deps.log({ level: 'error', event: 'latenciesLost', reason: reasonOf(error) }));
  }

  get figures(): readonly SampledFigure[] {
    return [
      gauge('gateway_latency_sketches_waiting', 'Latency sketches not stored yet', () => this.#waiting.size),
      counter('gateway_latency_sketches_written_total', 'Latency sketches stored', () => this.written),
      counter(
        'gateway_latency_sketches_dropped_total',
        'Latency sketches given up because the store was away for too long',
        () => this.dropped,
      ),
      counter(
        'gateway_latency_rows_dropped_total',
        'Rows counted in no latency sketch because callers asked about too many different times',
        () => this.#deps.metrics.slots.dropped,
      ),
    ];
  }

  /** One turn after the other: a state must not overtake a newer one. */
  #turn(): Promise<void> {
    this.#turns++;
    this.#work = this.#work.then(() => this.#store()).finally(() => this.#turns--);
    return this.#work;
  }

  async #store(): Promise<void> {
    this.#take();
    const rows = [...this.#waiting];
    try {
      if (rows.length > 0) await this.#deps.store.write(rows.map(([, row]) => row));
      this.written += rows.length;
      for (const [key] of rows) this.#remove(key);
    } catch (error) {
      this.#lastFailure = error;
      if (!isRefusal(error)) return;
      this.#deps.log({ level: 'error', event: 'latenciesRefused', count: rows.length, reason: reasonOf(error) });
      for (const [key] of rows) this.#drop(key);
    }
  }

  #take(): void {
    const { metrics } = this.#deps;
    const nowMs = Date.now();
    for (const { model, version, latencies } of metrics.versions) {
      for (const row of latencies.take(nowMs)) {
        const key = `${model} ${version} ${row.shadow} ${row.eventMinute} ${row.openedMs}`;
        if (!this.#waiting.has(key)) metrics.slots.left--;
        this.#waiting.set(key, { gateway: this.#writer, model, version, ...row });
      }
    }
    for (const [key, { openedMs }] of this.#waiting) {
      // An earlier state of a late one may be merged with others by now: it would be counted once more.
      const isLate = nowMs - openedMs > this.#deps.config.latencyLateMs;
      if (isLate || metrics.slots.left < 0) this.#drop(key);
    }
  }

  #drop(key: string): void {
    this.dropped++;
    this.#remove(key);
  }

  #remove(key: string): void {
    if (this.#waiting.delete(key)) this.#deps.metrics.slots.left++;
  }
}
