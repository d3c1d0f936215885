import type { QualityLimit } from '../../../domain/quality-check.js';
import type { VersionError } from '../driver-messages.js';

/**
 * Mean error of each version over labelled hours, by the metric and the floor that its rollout is judged with. A thousand
 * answers to one question are one hour: their mean counts.
 */
export class RunningError {
  readonly #quality: QualityLimit;
  readonly #waiting = new Map<number, ReadonlyMap<string, number>>();
  readonly #sums = new Map<string, { hours: number; sum: number }>();

  constructor(quality: QualityLimit) {
    this.#quality = quality;
  }

  /** Mean prediction of each version for an hour whose label is not known yet. */
  predicted(timeMs: number, means: ReadonlyMap<string, number>): void {
    this.#waiting.set(timeMs, means);
  }

  labelled(timeMs: number, actual: number): void {
    const means = this.#waiting.get(timeMs);
    this.#waiting.delete(timeMs);
    if (means === undefined || actual < this.#quality.floor) return;
    for (const [version, mean] of means) {
      const off = Math.abs(mean - actual);
      const error = this.#quality.metric === 'ape' ? off / Math.abs(actual) : off;
      if (!Number.isFinite(error)) continue;
      const known = this.#sums.get(version) ?? { hours: 0, sum: 0 };
      this.#sums.set(version, { hours: known.hours + 1, sum: known.sum + error });
    }
  }

  get errors(): VersionError[] {
    return [...this.#sums].map(([version, { hours, sum }]) => ({ version, hours, error: hours === 0 ? null : sum / hours }));
  }
}
