/**
 * A mergeable sketch of latencies after DDSketch (Masson, Rim, Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch
 * with Relative-Error Guarantees", PVLDB 12(12), 2019): bin i counts the latencies in (gamma^(i-1), gamma^i], so that a
 * quantile read from it is within `latencyError` of the true one, whatever the distribution. Bins have the same bounds in
 * every sketch, so merging is adding, in any order, with no further error.
 *
 * The paper bounds the number of bins by collapsing the lowest. Latencies need no collapsing: they are kept from a
 * microsecond to ten million milliseconds (2.8 hours), which takes at most 1,153 bins; what lies beyond counts at the end.
 */

/** Most relative error of a quantile. */
export const latencyError = 0.01;

const gamma = (1 + latencyError) / (1 - latencyError);
const binsPerE = 1 / Math.log(gamma);
const leastMs = 1e-3;
const mostMs = 1e7;
const firstBin = Math.ceil(Math.log(leastMs) * binsPerE);
const lastBin = Math.ceil(Math.log(mostMs) * binsPerE);

/** Latencies of one bin. */
export type LatencyBin = { readonly bin: number; readonly count: number };

/** The bin of a latency in milliseconds; what is no number, or below a microsecond, is in the first. */
export function binOf(latencyMs: number): number {
  if (!(latencyMs > leastMs)) return firstBin;
  return latencyMs > mostMs ? lastBin : Math.ceil(Math.log(latencyMs) * binsPerE);
}

/** The latency that stands for a bin: within `latencyError` of each in it. Milliseconds. */
export function binLatencyMs(bin: number): number {
  return (2 * gamma ** bin) / (gamma + 1);
}

/** The ends of a bin, in milliseconds: above the lower, up to and with the upper. */
export function binBoundsMs(bin: number): { readonly lowerMs: number; readonly upperMs: number } {
  return { lowerMs: gamma ** (bin - 1), upperMs: gamma ** bin };
}

/** Latencies in bins. Costs some tens of nanoseconds to add to, and as much memory as its latencies lie apart. */
export class LatencySketch {
  #counts = new Float64Array(16);
  /** Bin of the first count. */
  #from = 0;
  #count = 0;

  /** Latencies in it. */
  get count(): number {
    return this.#count;
  }

  /** Adds a latency, as often as it was measured. */
  add(latencyMs: number, times = 1): void {
    this.addBin(binOf(latencyMs), times);
  }

  /** Adds to a bin that is known already, by `binOf`. */
  addBin(bin: number, times: number): void {
    if (this.#count === 0) this.#from = bin - (this.#counts.length >> 1);
    const place = bin - this.#from;
    if (place < 0 || place >= this.#counts.length) this.#makeRoom(bin);
    this.#counts[bin - this.#from]! += times;
    this.#count += times;
  }

  /** Adds all of another sketch. */
  merge(other: LatencySketch): void {
    for (const { bin, count } of other.bins()) this.addBin(bin, count);
  }

  /** What is in it, ascending, without empty bins. */
  bins(): LatencyBin[] {
    const bins: LatencyBin[] = [];
    for (let place = 0; place < this.#counts.length; place++) {
      const count = this.#counts[place]!;
      if (count > 0) bins.push({ bin: this.#from + place, count });
    }
    return bins;
  }

  /** The latency, in milliseconds, below which a share `q` of all lies (nearest rank), within `latencyError`; null when it is empty. */
  quantile(q: number): number | null {
    if (this.#count === 0) return null;
    const rank = Math.max(1, Math.ceil(q * this.#count));
    let passed = 0;
    for (let place = 0; place < this.#counts.length; place++) {
      passed += this.#counts[place]!;
      if (passed >= rank) return binLatencyMs(this.#from + place);
    }
    return null;
  }

  /** Twice the room, or as much as it takes, with the new bin in it. */
  #makeRoom(bin: number): void {
    const from = Math.min(this.#from, bin);
    const needed = Math.max(this.#from + this.#counts.length, bin + 1) - from;
    const size = Math.min(Math.max(needed, this.#counts.length * 2), lastBin - firstBin + 1 + this.#counts.length);
    // What is to spare goes to the side on which the new bin lies.
    const start = bin < this.#from ? from - (size - needed) : from;
    const counts = new Float64Array(size);
    counts.set(this.#counts, this.#from - start);
    this.#counts = counts;
    this.#from = start;
  }
}
