/** How often held refusals go out. */
const beatMs = 25;
/** Nobody is held for more than this many beats, but for those who come behind a process that has no time. */
const longestBeats = 80;
/** At most so many go out together: some 10,000 a second, a fifth of what a core can do. */
const mostTogether = 250;
/** A beat that comes later than this says that the process is busy. */
const lateMs = 4;

/**
 * Refusals for callers who ask again the moment they are refused, whatever `Retry-After` says. They are told a moment later,
 * and the fewer at once the busier the process is: thousands of connections that do nothing but ask again would else have it
 * do nothing but refuse. One timer serves all.
 */
export class HeldRefusals {
  #held: (() => void)[] = [];
  #together = mostTogether;
  #isBeating = false;

  /** Whether somebody is held: then whoever is refused joins them, the first time too. */
  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** Sends a refusal by and by, in the order in which they came. */
  hold(send: () => void): void {
    this.#held.push(send);
    if (!this.#isBeating) this.#beat();
  }

  #beat(): void {
    this.#isBeating = true;
    const dueMs = performance.now() + beatMs;
    setTimeout(() => {
      this.#isBeating = false;
      this.#letGo(performance.now() - dueMs > lateMs);
      if (this.#held.length > 0) this.#beat();
    }, beatMs);
  }

  #letGo(isLate: boolean): void {
    this.#together = isLate ? this.#together / 2 : Math.min(mostTogether, this.#together + mostTogether / 20);
    this.#together = Math.max(this.#together, this.#held.length / longestBeats);
    const going = this.#held.slice(0, Math.ceil(this.#together));
    this.#held = this.#held.slice(going.length);
    for (const send of going) send();
  }
}
