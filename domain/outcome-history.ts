import { PerennialError } from './errors.js';
import type { OutcomeHistory } from './features.js';

/** One outcome of a target: event time in epoch milliseconds, value in the target's unit. */
export type Outcome = { readonly timeMs: number; readonly value: number };

/** An `OutcomeHistory` that takes outcomes as they become known. */
export type GrowingOutcomeHistory = OutcomeHistory & {
  /** Adds one outcome, or replaces the one of the same time. Cheap at the end; a late one costs as much as what follows it. */
  append(outcome: Outcome): void;
  /** Forgets the outcomes before this time; those after stay as they are. */
  forgetBefore(timeMs: number): void;
  readonly size: number;
  /** Times of the first and the last outcome, null when there is none. */
  readonly firstMs: number | null;
  readonly lastMs: number | null;
};

/**
 * Outcomes with O(log n) look-ups and range sums.
 *
 * Sums come from prefix sums carried in two doubles (Knuth's TwoSum), so that a sum does not depend on where the history
 * begins: training (a window) and serving (all that is stored) get the same feature to the last bit of its FP32.
 * Outcomes may come in any order; a value that is not finite is refused with `DataInvalid`, since it would reach every later sum.
 */
export function outcomeHistory(outcomes: Iterable<Outcome> = []): GrowingOutcomeHistory {
  const sorted = [...outcomes].sort((a, b) => a.timeMs - b.timeMs);
  let capacity = Math.max(64, sorted.length * 2);
  let size = 0;
  let times = new Float64Array(capacity);
  let values = new Float64Array(capacity);
  // Sum of the values before position i, as high and low part.
  let high = new Float64Array(capacity + 1);
  let low = new Float64Array(capacity + 1);

  /** First position whose time is at or after `timeMs`. */
  const lowerBound = (timeMs: number): number => {
    let from = 0;
    let to = size;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (times[middle]! < timeMs) from = middle + 1;
      else to = middle;
    }
    return from;
  };

  const sumFrom = (start: number): void => {
    for (let i = start; i < size; i++) {
      const a = high[i]!;
      const b = values[i]!;
      const sum = a + b;
      const part = sum - a;
      high[i + 1] = sum;
      low[i + 1] = low[i]! + (a - (sum - part) + (b - part));
    }
  };

  const grow = (): void => {
    capacity *= 2;
    const wider = (from: Float64Array, length: number): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(length);
      to.set(from);
      return to;
    };
    times = wider(times, capacity);
    values = wider(values, capacity);
    high = wider(high, capacity + 1);
    low = wider(low, capacity + 1);
  };

  const place = (outcome: Outcome): number => {
    if (!Number.isFinite(outcome.value) || !Number.isFinite(outcome.timeMs)) {
      throw new PerennialError(
        'DataInvalid',
        `outcome at ${outcome.timeMs} is ${outcome.value}: a finite number is expected; leave unknown outcomes out`,
      );
    }
    const atEnd = size === 0 || outcome.timeMs > times[size - 1]!;
    const position = atEnd ? size : lowerBound(outcome.timeMs);
    if (atEnd || times[position] !== outcome.timeMs) {
      if (size === capacity) grow();
      times.copyWithin(position + 1, position, size);
      values.copyWithin(position + 1, position, size);
      times[position] = outcome.timeMs;
      size++;
    }
    values[position] = outcome.value;
    return position;
  };

  for (const outcome of sorted) place(outcome);
  sumFrom(0);

  return {
    at(timeMs) {
      const position = lowerBound(timeMs);
      return position < size && times[position] === timeMs ? values[position] : undefined;
    },
    range(fromMs, toMs) {
      const from = lowerBound(fromMs);
      const to = Math.max(from, lowerBound(toMs));
      return { sum: high[to]! - high[from]! + (low[to]! - low[from]!), count: to - from };
    },
    append(outcome) {
      sumFrom(place(outcome));
    },
    forgetBefore(timeMs) {
      const from = lowerBound(timeMs);
      if (from === 0) return;
      times.copyWithin(0, from, size);
      values.copyWithin(0, from, size);
      size -= from;
      sumFrom(0);
    },
    get size() {
      return size;
    },
    get firstMs() {
      return size === 0 ? null : times[0]!;
    },
    get lastMs() {
      return size === 0 ? null : times[size - 1]!;
    },
  };
}
