import type { LatencyRow } from '../../activities/latency-ports.js';
import { binOf, LatencySketch } from '../../domain/latency-sketch.js';

const minuteMs = 60_000;

/** How many slots all versions of a gateway may still open, and what was not counted for want of one. */
export type SlotBudget = { left: number; dropped: number };

export type ObservedRows = {
  readonly shadow: boolean;
  /** One a row, epoch milliseconds. */
  readonly eventTimesMs: readonly number[];
  /** One a row, null where it has no figure; null when the whole request failed. */
  readonly values: readonly (number | null)[] | null;
  readonly latencyMs: number;
  /** Wall time, epoch milliseconds. */
  readonly atMs: number;
};

/** What was seen of one minute of event time since `openedMs`. */
type Slot = {
  readonly shadow: boolean;
  readonly minute: number;
  readonly openedMs: number;
  firstMs: number;
  lastMs: number;
  requests: number;
  errors: number;
  readonly sketch: LatencySketch;
  isChanged: boolean;
};

/**
 * Latencies of one version by minute of event time, kept until they are stored. A slot takes what is asked about its
 * minute for one minute of the wall clock; then it is closed, so that memory does not grow with the times asked about.
 */
export class VersionLatencies {
  readonly #slots = new Map<number, Slot>();
  readonly #budget: SlotBudget;
  #last: Slot | undefined;

  constructor(budget: SlotBudget) {
    this.#budget = budget;
  }

  /** Counts the rows of one answered or failed request. */
  observe({ shadow, eventTimesMs, values, latencyMs, atMs }: ObservedRows): void {
    const bin = binOf(latencyMs);
    for (let row = 0; row < eventTimesMs.length; row++) {
      const timeMs = Math.floor(eventTimesMs[row]!);
      const slot = this.#slotOf(shadow, timeMs, atMs);
      if (slot === undefined) {
        this.#budget.dropped++;
        continue;
      }
      if (timeMs < slot.firstMs) slot.firstMs = timeMs;
      if (timeMs > slot.lastMs) slot.lastMs = timeMs;
      slot.requests++;
      if (values === null || values[row] === null) slot.errors++;
      slot.sketch.addBin(bin, 1);
      slot.isChanged = true;
    }
  }

  /** The slots that changed since the last time, as rows; those that are a minute old are closed. */
  take(nowMs: number): Omit<LatencyRow, 'gateway' | 'model' | 'version'>[] {
    const rows: Omit<LatencyRow, 'gateway' | 'model' | 'version'>[] = [];
    for (const [key, slot] of this.#slots) {
      if (slot.isChanged) rows.push(rowOf(slot));
      slot.isChanged = false;
      // A wall clock that was set back closes them as well.
      if (Math.abs(nowMs - slot.openedMs) < minuteMs) continue;
      this.#slots.delete(key);
      this.#budget.left++;
      if (this.#last === slot) this.#last = undefined;
    }
    return rows;
  }

  #slotOf(shadow: boolean, timeMs: number, atMs: number): Slot | undefined {
    const minute = Math.floor(timeMs / minuteMs);
    const last = this.#last;
    if (last !== undefined && last.minute === minute && last.shadow === shadow) return last;
    const key = minute * 2 + (shadow ? 1 : 0);
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      // What is no time that Postgres can keep was not captured either.
      if (this.#budget.left <= 0 || !Number.isSafeInteger(timeMs)) return undefined;
      this.#budget.left--;
      const sketch = new LatencySketch();
      slot = { shadow, minute, openedMs: atMs, firstMs: timeMs, lastMs: timeMs, requests: 0, errors: 0, sketch, isChanged: false };
      this.#slots.set(key, slot);
    }
    this.#last = slot;
    return slot;
  }
}

function rowOf({
  shadow,
  minute,
  openedMs,
  firstMs,
  lastMs,
  requests,
  errors,
  sketch,
}: Slot): ReturnType<VersionLatencies['take']>[number] {
  const bins = sketch.bins();
  return {
    shadow,
    eventMinute: minute,
    openedMs,
    firstMs,
    lastMs,
    requests,
    errors,
    bins: bins.map(({ bin }) => bin),
    counts: bins.map(({ count }) => count),
  };
}
