import { binOf, LatencySketch } from '../../domain/latency-sketch.js';

export type RecentFigures = {
  /** Time that the figures are about, in milliseconds. */
  readonly spanMs: number;
  readonly count: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
};

const sliceMs = 60_000;

/** Latencies of the last minute or two, for those who ask one gateway how it is doing now. */
export class RecentLatency {
  #current = new LatencySketch();
  #previous = new LatencySketch();
  /** By `performance.now()`. */
  #sliceFromMs: number;
  #previousMs = 0;

  constructor(nowMs: number) {
    this.#sliceFromMs = nowMs;
  }

  add(latencyMs: number, nowMs: number): void {
    if (nowMs - this.#sliceFromMs >= sliceMs) this.#turn(nowMs);
    this.#current.addBin(binOf(latencyMs), 1);
  }

  figures(nowMs: number): RecentFigures {
    if (nowMs - this.#sliceFromMs >= sliceMs) this.#turn(nowMs);
    const both = new LatencySketch();
    both.merge(this.#previous);
    both.merge(this.#current);
    return {
      spanMs: this.#previousMs + nowMs - this.#sliceFromMs,
      count: both.count,
      p50Ms: both.quantile(0.5),
      p95Ms: both.quantile(0.95),
      p99Ms: both.quantile(0.99),
    };
  }

  #turn(nowMs: number): void {
    const passedMs = nowMs - this.#sliceFromMs;
    // After a long silence what was measured before it is not recent any more.
    const isStale = passedMs >= 2 * sliceMs;
    this.#previous = isStale ? new LatencySketch() : this.#current;
    this.#previousMs = isStale ? sliceMs : passedMs;
    this.#current = new LatencySketch();
    this.#sliceFromMs = nowMs;
  }
}
