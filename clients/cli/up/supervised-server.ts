import { setTimeout as delay } from 'node:timers/promises';
import { PerennialError } from '../../../domain/errors.js';
import { SetUpFailure } from '../../../tools/failure.mjs';

/** A server of this stack that runs, and how it is started again where it was. */
export type OwnServer = {
  readonly logFile: string;
  /** Ends whichever process serves these data now. */
  stop(): Promise<void>;
  /** Resolves when the process has ended, with how: `ended with code 1`. */
  ended(): Promise<string>;
};

export type ServerEvents = {
  readonly say: (line: string) => void;
  /** It died and does not come back: nothing works without it. */
  readonly lost: (error: PerennialError) => void;
};

/** One that ran this long before it died has all its attempts again. */
const steadyMs = 60_000;
/** What is waited before each attempt to start it again. */
const defaultPausesMs = [200, 1_000, 2_000, 5_000, 10_000] as const;

/**
 * Watches over Postgres or Temporal: one that dies is started again on the same data and the same port, a few times with
 * growing pauses, and then given up. The processes that use it meanwhile find it again by themselves.
 */
export class SupervisedServer {
  readonly #name: string;
  readonly #again: () => Promise<OwnServer>;
  readonly #events: ServerEvents;
  readonly #pausesMs: readonly number[];
  readonly #stopping = new AbortController();
  #server: OwnServer;
  #restarting: Promise<boolean> = Promise.resolve(false);
  #attempts = 0;

  /** `again` starts it where `server` was. */
  constructor(
    {
      name,
      server,
      again,
      pausesMs = defaultPausesMs,
    }: { name: string; server: OwnServer; again: () => Promise<OwnServer>; pausesMs?: readonly number[] },
    events: ServerEvents,
  ) {
    this.#name = name;
    this.#server = server;
    this.#again = again;
    this.#pausesMs = pausesMs;
    this.#events = events;
    void this.#watch();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#server.stop();
    // One that was being started again when it was to stop.
    if (await this.#restarting) await this.#server.stop();
  }

  async #watch(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const since = performance.now();
      const how = await this.#server.ended();
      if (this.#stopping.signal.aborted) return;
      if (performance.now() - since > steadyMs) this.#attempts = 0;
      this.#restarting = this.#startAgain(how);
      if (!(await this.#restarting)) return;
    }
  }

  /** Whether it runs again. */
  async #startAgain(how: string): Promise<boolean> {
    const { say, lost } = this.#events;
    let last = `it ${how}`;
    let told = how;
    while (this.#attempts < this.#pausesMs.length) {
      const pauseMs = this.#pausesMs[this.#attempts++]!;
      say(`! ${this.#name} ${told}; starting it again on the same data in ${pauseMs / 1000} s (${this.#server.logFile})`);
      try {
        await delay(pauseMs, undefined, { signal: this.#stopping.signal });
        this.#server = await this.#again();
        say(`✓ ${this.#name} runs again`);
        return true;
      } catch (error) {
        if (this.#stopping.signal.aborted) return false;
        last = error instanceof Error ? error.message : String(error);
        told = `did not start: ${error instanceof SetUpFailure ? error.why : last}`;
      }
    }
    lost(
      new PerennialError(
        'Unavailable',
        `${this.#name} ${how} and was started again ${this.#pausesMs.length} times in vain, last: ${last.replace(/\.?$/, '.')} Its log is ${this.#server.logFile}. The rest was stopped; the data are kept. Mend the cause, then start it again.`,
        { details: { server: this.#name, log: this.#server.logFile } },
      ),
    );
    return false;
  }
}
