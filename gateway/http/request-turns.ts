/** How long requests are answered on end before the event loop turns. */
const turnMs = 5;
/** What was answered is thrown away by so many. */
const forgetAfter = 1_024;

/**
 * Has the event loop turn while thousands ask at once: what comes after the first milliseconds of a turn is read, and answered
 * in the turns that follow, in the order in which it came. Whoever asks for health need not wait for all of them then.
 */
export class RequestTurns {
  /** The first `#answered` of them were. */
  #requests: (() => void)[] = [];
  #answered = 0;
  #untilMs = 0;
  #isSet = false;

  /** Requests that wait for their turn. */
  get waiting(): number {
    return this.#requests.length - this.#answered;
  }

  /** Whether a request may be answered now; if not, it is for `later`. */
  isOpen(): boolean {
    if (this.waiting > 0) return false;
    if (this.#isSet) return performance.now() < this.#untilMs;
    this.#untilMs = performance.now() + turnMs;
    this.#set();
    return true;
  }

  /** Calls what answers a request in one of the next turns. It does not throw. */
  later(answer: () => void): void {
    this.#requests.push(answer);
    this.#set();
  }

  #set(): void {
    if (this.#isSet) return;
    this.#isSet = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isSet = false;
    const untilMs = performance.now() + turnMs;
    while (this.waiting > 0 && performance.now() < untilMs) this.#requests[this.#answered++]!();
    if (this.#answered > forgetAfter) {
      this.#requests = this.#requests.slice(this.#answered);
      this.#answered = 0;
    }
    if (this.waiting > 0) this.#set();
  };
}
