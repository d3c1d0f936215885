import { setTimeout as delay } from 'node:timers/promises';

const recentHours = 20;

/** Keeps to so many hours a second at most, and tells how many were reached lately. */
export class Pace {
  readonly #leastMs: number;
  readonly #ends: number[] = [];
  #beganMs: number;

  /** @param speed hours a second; Infinity for as fast as it goes */
  constructor(speed: number) {
    this.#leastMs = Number.isFinite(speed) && speed > 0 ? 1000 / speed : 0;
    this.#beganMs = performance.now();
  }

  /** Waits out the rest of the hour at hand. Lateness is not caught up: the next hour has its own time. */
  async hourOver(signal: AbortSignal): Promise<void> {
    const left = this.#beganMs + this.#leastMs - performance.now();
    if (left > 0) await delay(left, undefined, { signal }).catch(() => undefined);
    const now = performance.now();
    // A small lateness of the timer is, though: otherwise every hour would be a millisecond longer than asked for.
    this.#beganMs = left > 0 && now - this.#beganMs < this.#leastMs + 20 ? this.#beganMs + this.#leastMs : now;
    this.#ends.push(now);
    if (this.#ends.length > recentHours) this.#ends.shift();
  }

  /** Begins anew after a standstill. */
  restart(): void {
    this.#beganMs = performance.now();
    this.#ends.length = 0;
  }

  get hoursPerSecond(): number {
    const [first, last] = [this.#ends[0], this.#ends.at(-1)];
    return first === undefined || last === undefined || last <= first ? 0 : ((this.#ends.length - 1) * 1000) / (last - first);
  }
}
