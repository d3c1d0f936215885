import type { SharedLimits } from './shared-limits.js';
import type { RateLimit } from './token-bucket.js';

/** What a process takes in advance, as a part of a second's requests. */
const sharePerAsk = 1 / 20;
/** What was taken in advance and is not used by then goes back. */
const keptMs = 100;

/**
 * The limit of a key that several processes count together. A process takes some requests' worth in advance, so that most are
 * let through without asking; all of them together never get more than the limit. What one holds, another lacks: at most a
 * twentieth of a second's requests, for at most a tenth of a second.
 */
export class SharedBucket implements RateLimit {
  readonly ratePerSecond: number;
  readonly #key: string;
  readonly #limits: SharedLimits;
  /** Taken in advance. */
  #held = 0;
  /** Until then there is nothing to be had; by `performance.now()`. */
  #emptyUntilMs = -Infinity;
  /** Requests that wait for an answer, in their order. */
  #waiting: ((waitMs: number) => void)[] = [];
  #asking = false;
  #giveBack: NodeJS.Timeout | undefined;

  constructor(limits: SharedLimits, { key, ratePerSecond }: { key: string; ratePerSecond: number }) {
    this.#limits = limits;
    this.#key = key;
    this.ratePerSecond = ratePerSecond;
  }

  take(nowMs: number): number | Promise<number> {
    if (this.#held > 0) {
      this.#held--;
      return 0;
    }
    // Answered here: a flood beyond the limit costs no other process anything.
    if (nowMs < this.#emptyUntilMs) return this.#emptyUntilMs - nowMs;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (!this.#asking) void this.#ask();
    });
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    while (this.#waiting.length > 0) {
      const count = Math.max(this.#waiting.length, Math.floor(this.ratePerSecond * sharePerAsk));
      const { taken, waitMs } = await this.#limits.take({ key: this.#key, ratePerSecond: this.ratePerSecond, count });
      const served = this.#waiting.splice(0, taken);
      for (const resolve of served) resolve(0);
      this.#hold(taken - served.length);
      if (taken >= count) continue;
      this.#emptyUntilMs = performance.now() + waitMs;
      // Those that came since the question was put are beyond the limit as well.
      for (const resolve of this.#waiting.splice(0)) resolve(waitMs);
    }
    this.#asking = false;
  }

  #hold(count: number): void {
    this.#held += count;
    if (count === 0 || this.#giveBack !== undefined) return;
    this.#giveBack = setTimeout(() => {
      this.#giveBack = undefined;
      if (this.#held > 0) this.#limits.give({ key: this.#key, ratePerSecond: this.ratePerSecond, count: this.#held });
      this.#held = 0;
    }, keptMs).unref();
  }
}
