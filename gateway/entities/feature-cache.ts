import type { FeatureRow } from '../../activities/ports.js';

/** Looked-up entities that are used again until their time is over; the least recently used go first. Times are milliseconds. */
export class FeatureCache {
  readonly #rows = new Map<string, { readonly row: FeatureRow; readonly atMs: number; readonly untilMs: number }>();
  readonly #maxEntries: number;
  hits = 0;
  misses = 0;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** The row as old as it is now; null when it is not here or its time is over. */
  get(key: string, nowMs: number): FeatureRow | null {
    const kept = this.#rows.get(key);
    if (kept === undefined || kept.untilMs <= nowMs) {
      if (kept !== undefined) this.#rows.delete(key);
      this.misses++;
      return null;
    }
    this.hits++;
    // The order of the map is the order of use.
    this.#rows.delete(key);
    this.#rows.set(key, kept);
    return { values: kept.row.values, ageMs: kept.row.ageMs + (nowMs - kept.atMs) };
  }

  set(key: string, row: FeatureRow, of: { readonly nowMs: number; readonly ttlMs: number }): void {
    this.#rows.delete(key);
    this.#rows.set(key, { row, atMs: of.nowMs, untilMs: of.nowMs + of.ttlMs });
    if (this.#rows.size > this.#maxEntries) this.#rows.delete(this.#rows.keys().next().value!);
  }
}
