import type { Socket } from 'node:net';
import type { Cancel } from '../models/batcher.js';

/** Whether the connection of a caller has ended, so that nobody wants the answer any more. */
export class CallerGone implements Cancel {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get aborted(): boolean {
    return this.#socket.destroyed;
  }
}
