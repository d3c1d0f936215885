/** Lets so many requests a second through, and as many at once after a pause of a second. Times in milliseconds. */
export class TokenBucket {
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

  /** Takes one; answers 0, or after how many milliseconds there will be one. */
  take(nowMs: number): number {
    this.#tokens = Math.min(this.#capacity, this.#tokens + (Math.max(0, nowMs - this.#atMs) * this.ratePerSecond) / 1000);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return ((1 - this.#tokens) * 1000) / this.ratePerSecond;
    this.#tokens--;
    return 0;
  }
}
