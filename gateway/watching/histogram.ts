/** Counts of values by upper bounds, as Prometheus has them. Plain numbers, so that observing costs some nanoseconds. */
export class Histogram {
  /** Upper bounds, ascending, without the last one, which has none. */
  readonly bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let place = 0;
    while (place < bounds.length && value > bounds[place]!) place++;
    this.#counts[place]!++;
    this.#sum += value;
  }

  get sum(): number {
    return this.#sum;
  }

  /** How many values were at or below each bound, and last how many there were. */
  cumulative(): number[] {
    let total = 0;
    return Array.from(this.#counts, (count) => (total += count));
  }
}
