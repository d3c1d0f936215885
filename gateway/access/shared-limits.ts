import { TokenBucket } from './token-bucket.js';

/** A part of what a key may send. */
export type Allowance = { readonly key: string; readonly ratePerSecond: number; readonly count: number };
/** How much of it was given, and, where that is less than was asked for, after how many milliseconds there will be more. */
export type Allowed = { readonly taken: number; readonly waitMs: number };

/** Counts the requests of keys over all processes of a gateway. */
export type SharedLimits = {
  take(allowance: Allowance): Promise<Allowed>;
  /** Takes back what was not used. */
  give(allowance: Allowance): void;
};

const firstLook = 1_000;

/** The allowances of all keys, in the one process that counts for all. */
export class KeyAllowances {
  readonly #buckets = new Map<string, TokenBucket>();
  #lookAt = firstLook;

  take({ key, ratePerSecond, count }: Allowance, nowMs: number): Allowed {
    // While a changed rate is on its way to all processes, each rate is counted by itself.
    const name = `${key} ${ratePerSecond}`;
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#lookAt) this.#forgetFull(nowMs);
      this.#buckets.set(name, (bucket = new TokenBucket(ratePerSecond, nowMs)));
    }
    return bucket.takeUpTo(count, nowMs);
  }

  give({ key, ratePerSecond, count }: Allowance): void {
    this.#buckets.get(`${key} ${ratePerSecond}`)?.give(count);
  }

  /** Keys come and go over the months; a full bucket is as good as a new one. */
  #forgetFull(nowMs: number): void {
    for (const [name, bucket] of this.#buckets) if (bucket.isFull(nowMs)) this.#buckets.delete(name);
    this.#lookAt = Math.max(firstLook, this.#buckets.size * 2);
  }
}
