/** Lets so many requests a second of a key through. */
export type RateLimit = {
  readonly ratePerSecond: number;
  /** Takes one; 0, or after how many milliseconds there will be one. A promise where another process has to be asked. */
  take(nowMs: number): number | Promise<number>;
};

/** Counts in this process: so many requests a second, and as many at once after a pause of a second. Times in milliseconds. */
export class TokenBucket implements RateLimit {
  readonly ratePerSecond: number;
  readonly #capacity: number;
  #tokens: number;
  #atMs: number;

  constructor(ratePerSecond: number, nowMs: number) {
    this.ratePerSecond = ratePerSecond;
    this.#capacity = Math.max(1, ratePerSecond);
    this.#tokens = this.#capacity;
    this.#atMs = nowMs;
  }

  take(nowMs: number): number {
    return this.takeUpTo(1, nowMs).waitMs;
  }

  /** Takes as many as there are, whole ones, at most `count`; `waitMs` is 0, or after how long there will be the next. */
  takeUpTo(count: number, nowMs: number): { readonly taken: number; readonly waitMs: number } {
    this.#refill(nowMs);
    const taken = Math.min(count, Math.floor(this.#tokens));
    this.#tokens -= taken;
    return { taken, waitMs: taken === count ? 0 : ((1 - this.#tokens) * 1000) / this.ratePerSecond };
  }

  /** Takes back what was not used. */
  give(count: number): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + count);
  }

  /** Whether it is as if nothing had ever been taken. */
  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#tokens === this.#capacity;
  }

  #refill(nowMs: number): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + (Math.max(0, nowMs - this.#atMs) * this.ratePerSecond) / 1000);
    this.#atMs = nowMs;
  }
}
