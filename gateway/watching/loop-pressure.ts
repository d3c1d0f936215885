/** Above this share of its time at work the thread has none to spare; below the other it has. */
const busyAbove = 0.8;
const calmBelow = 0.7;
/** How much a look counts against those before: one calm moment within a busy second is none. */
const weightOfLook = 0.4;
/** However busy it is, so many of the predictions are still captured. */
const least = 0.05;
const lookEveryMs = 200;

/**
 * How many of the predictions a busy thread captures: all while it has time to spare, also now and then, and fewer the longer
 * it has none, since what a capture costs is taken from the answers.
 */
export class LoopPressure {
  /** 0 to 1. */
  share = 1;
  readonly #busyAfterMs: number;
  readonly #atWork: () => number;
  readonly #timer: NodeJS.Timeout;
  #busyMs = 0;
  #smoothed: number | null = null;

  /**
   * `atWork` answers the share of the time since it was asked before that the thread was at work. It must have been busy
   * for `busyAfterMs` on end before anything is left out.
   */
  constructor(busyAfterMs: number, atWork: () => number = timeAtWork()) {
    this.#busyAfterMs = busyAfterMs;
    this.#atWork = atWork;
    this.#timer = setInterval(() => this.look(), lookEveryMs);
    this.#timer.unref();
  }

  look(): void {
    const now = this.#atWork();
    const atWork = this.#smoothed === null ? now : this.#smoothed + (now - this.#smoothed) * weightOfLook;
    this.#smoothed = atWork;
    this.#busyMs = atWork > busyAbove ? this.#busyMs + lookEveryMs : 0;
    if (this.#busyMs > this.#busyAfterMs) this.share = Math.max(least, this.share * 0.5);
    else if (atWork < calmBelow) this.share = Math.min(1, this.share * 1.25);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** A thread that computes less than this is waiting for a processor or for nothing, whatever its event loop says. */
const computesAbove = 0.5;

/**
 * The share of the time that the event loop was at work. It counts the time in which it had work but no processor as its
 * own: on a machine that others keep busy it says nothing unless the process computed for a good part of it.
 */
function timeAtWork(): () => number {
  let loop = performance.eventLoopUtilization();
  let cpu = process.cpuUsage();
  let lastMs = performance.now();
  return () => {
    const nowMs = performance.now();
    const { utilization } = performance.eventLoopUtilization(loop);
    const { user, system } = process.cpuUsage(cpu);
    const computing = (user + system) / 1_000 / Math.max(nowMs - lastMs, 1);
    loop = performance.eventLoopUtilization();
    cpu = process.cpuUsage();
    lastMs = nowMs;
    return computing > computesAbove ? utilization : Math.min(utilization, computing);
  };
}
