import type { Cancel } from '../models/batcher.js';
import type { CallerConnection } from './whole-request.js';

/** Whether the connection of a caller has ended, so that nobody wants the answer any more. */
export class CallerGone implements Cancel {
  readonly #socket: CallerConnection;

  constructor(socket: CallerConnection) {
    this.#socket = socket;
  }

  get aborted(): boolean {
    return this.#socket.destroyed;
  }
}
