/** How long requests are answered on end before the event loop turns. */
const turnMs = 5;
/** The same while callers connect: a turn of the event loop accepts a single connection (libuv since 1.45), however many wait. */
const acceptingTurnMs = 0.1;
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
  #isAccepting = false;
  #isSet = false;

  /** Requests that wait for their turn. */
  get waiting(): number {
    return this.#requests.length - this.#answered;
  }

  /** To be called when a connection was accepted: others may wait behind it, and health may be asked on one of them. */
  accepted(): void {
    this.#isAccepting = true;
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
    const untilMs = performance.now() + (this.#isAccepting ? acceptingTurnMs : turnMs);
    this.#isAccepting = false;
    while (this.waiting > 0 && performance.now() < untilMs) this.#requests[this.#answered++]!();
    if (this.#answered > forgetAfter) {
      this.#requests = this.#requests.slice(this.#answered);
      this.#answered = 0;
    }
    if (this.waiting > 0) this.#set();
  };
}
