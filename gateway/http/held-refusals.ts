/** How long a refusal is held. */
const holdMs = 25;

/**
 * Refusals for callers who ask again the moment they are refused, whatever `Retry-After` says. From the second on end they
 * are told a moment later, so that a flood of them takes no time from those who are answered. One timer serves all.
 */
export class HeldRefusals {
  #held: (() => void)[] = [];

  /** Sends a refusal, by and by. */
  hold(send: () => void): void {
    this.#held.push(send);
    if (this.#held.length > 1) return;
    setTimeout(() => {
      const held = this.#held;
      this.#held = [];
      for (const one of held) one();
    }, holdMs);
  }
}
