import type { GatewayConfig } from '../gateway-config.js';
import { RequestError } from '../http/request-error.js';

export type ColdRequestsOptions = Pick<GatewayConfig, 'coldWaitMs' | 'maxWaitingForLoad'> & {
  /** The version, for messages. */
  readonly name: string;
  /** Called when a request waits no more. */
  onLeave(): void;
};

/** The requests that found a version cold and wait while it is loaded: not too many, and not too long. */
export class ColdRequests {
  readonly #options: ColdRequestsOptions;
  #waiting = 0;

  constructor(options: ColdRequestsOptions) {
    this.#options = options;
  }

  /** Requests that wait, or that are about to enter after they did. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Resolves when `load` has. Throws `loading` when too many wait already, when it takes longer than `limitMs`, or when
   * there is no room; `notReady` with the reason when loading fails.
   */
  async wait(load: () => Promise<boolean>, limitMs: number): Promise<void> {
    const { name, coldWaitMs, maxWaitingForLoad, onLeave } = this.#options;
    if (this.#waiting >= maxWaitingForLoad)
      throw new RequestError('loading', `${this.#waiting} requests wait already while ${name} is loaded: try again later`);
    this.#waiting++;
    const waitMs = Math.min(limitMs, coldWaitMs);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const tooLate = new RequestError('loading', `${name} is still being loaded after ${Math.round(waitMs)} ms: try again later`);
      timer = setTimeout(() => reject(tooLate), waitMs);
    });
    try {
      if (!(await Promise.race([load(), late])))
        throw new RequestError('loading', `there is no memory to load ${name} now: try again later`);
    } catch (error) {
      if (error instanceof RequestError) throw error;
      throw new RequestError('notReady', `${name} failed to load: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      clearTimeout(timer);
      // Not before those who waited had their turn to enter.
      setImmediate(() => {
        this.#waiting--;
        onLeave();
      });
    }
  }
}
