import { setTimeout as delay } from 'node:timers/promises';
import { PerennialError } from '../../../domain/errors.js';
import type { ApiClient } from '../../client/api-client.js';

const tryAgainMs = 500;
/** A standstill is looked for at most this often: the question costs a query to the workflow. */
const lookEveryMs = 250;

export type ModelTimeOptions = {
  readonly api: Pick<ApiClient, 'clock' | 'putClock' | 'status'>;
  readonly model: string;
  readonly signal: AbortSignal;
  readonly onTrouble: (message: string) => void;
};

/** The model's driven clock, and whether it may move. Waits out a control API that is away. */
export class ModelTime {
  readonly #options: ModelTimeOptions;
  #lookedAtMs = -Infinity;
  #standstill: string | null = null;

  constructor(options: ModelTimeOptions) {
    this.#options = options;
  }

  async now(): Promise<number> {
    const { api, model } = this.#options;
    const { clock, nowMs } = await this.#persistently(() => api.clock(model));
    if (clock.kind === 'driven') return nowMs;
    throw new PerennialError('Conflict', `${model} is on the live clock: nobody drives it. Begin a rehearsal with npm start.`);
  }

  async advance(fromMs: number, toMs: number): Promise<void> {
    const { api, model } = this.#options;
    await this.#persistently(() => api.putClock(model, { fromMs, nowMs: toMs }));
  }

  /**
   * Why model time must stand still now: a run trains, or a person is asked. Null when it may move. Nobody knows while no
   * worker answers: then it is as it was.
   */
  async standstill(): Promise<string | null> {
    if (performance.now() - this.#lookedAtMs < lookEveryMs) return this.#standstill;
    const { api, model } = this.#options;
    const { lifecycle } = await this.#persistently(() => api.status(model));
    this.#lookedAtMs = performance.now();
    if (lifecycle === null) return this.#standstill;
    const training = lifecycle.active.find(({ phase }) => phase === 'training');
    const waiting = lifecycle.active.find(({ phase }) => phase === 'awaitingApproval');
    this.#standstill =
      training !== undefined
        ? `run ${training.run} trains`
        : waiting !== undefined && lifecycle.rollout === null
          ? `version ${waiting.version ?? '?'} waits for approval`
          : null;
    return this.#standstill;
  }

  async #persistently<T>(call: () => Promise<T>): Promise<T> {
    const { signal, onTrouble } = this.#options;
    for (let told = ''; ; await delay(tryAgainMs, undefined, { signal })) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof PerennialError) || error.type !== 'Unavailable') throw error;
        if (error.message !== told) onTrouble(error.message);
        told = error.message;
      }
    }
  }
}
