import type { LoadResult } from './load.js';

/** What a closed loop counts: the latencies of the measured time, and what went wrong. */
export class Loop {
  /** Set when the measured time is over: nothing more is sent then. */
  stopped = false;
  readonly #latencies: number[] = [];
  #failed = 0;
  #firstFailure: string | null = null;
  #measuring = false;

  /** An answer came to what was sent at `sentMs`; `failure` says what was wrong with it. */
  answered(failure: string | null, sentMs: number): void {
    if (failure !== null) this.#fail(failure);
    else if (this.#measuring) this.#latencies.push(performance.now() - sentMs);
  }

  broke(reason: string): void {
    if (!this.stopped) this.#fail(reason);
  }

  async measure({ warmUpMs, ms }: { warmUpMs: number; ms: number }): Promise<LoadResult> {
    await wait(warmUpMs);
    this.#measuring = true;
    const from = performance.now();
    await wait(ms);
    const seconds = (performance.now() - from) / 1_000;
    this.#measuring = false;
    this.stopped = true;
    const sorted = Float64Array.from(this.#latencies).sort();
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
    const counted = { failed: this.#failed, firstFailure: this.#firstFailure };
    return { perSecond: sorted.length / seconds, p50: at(0.5), p99: at(0.99), answers: sorted.length, ...counted };
  }

  #fail(reason: string): void {
    this.#failed++;
    this.#firstFailure ??= reason;
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
