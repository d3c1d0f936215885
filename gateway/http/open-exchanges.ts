import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

type Exchange = { readonly request: IncomingMessage; readonly response: ServerResponse };
type Newest = { last: Exchange; before: Exchange | null };

/** What is due to bytes that cannot be read: an answer, its end alone where one was given already, or neither in the middle of one. */
export type Due = 'refusal' | 'end' | 'break';

/**
 * The newest requests of each connection of `node:http`, whose parser runs ahead of the answers: it may meet bytes that it
 * cannot read while the requests before them are still at work. Answers go out in order, so the two newest say all.
 */
export class OpenExchanges {
  readonly #newest = new WeakMap<Duplex, Newest>();
  readonly #waiting = new WeakSet<Duplex>();

  /** To be called for each request, in the order they come. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    const newest = this.#newest.get(request.socket);
    if (newest === undefined) {
      this.#newest.set(request.socket, { last: { request, response }, before: null });
      return;
    }
    newest.before = newest.last;
    newest.last = { request, response };
  }

  /** Calls `settle` with what is due to unreadable bytes, once, when the requests that came whole before them are answered. */
  whenAnswered(socket: Duplex, settle: (due: Due) => void): void {
    if (this.#waiting.has(socket)) return;
    const newest = this.#newest.get(socket);
    if (newest === undefined) return settle('refusal');
    const { last, before } = newest;
    // What cannot be read is the body of the last request, or stands behind it.
    if (last.request.complete) return this.#after(last, socket, settle);
    const { headersSent, writableEnded } = last.response;
    if (writableEnded) return this.#after(last, socket, () => settle('end'));
    return headersSent ? settle('break') : this.#after(before, socket, settle);
  }

  #after(exchange: Exchange | null, socket: Duplex, settle: (due: Due) => void): void {
    if (exchange === null || isOver(exchange)) return settle('refusal');
    this.#waiting.add(socket);
    exchange.response.once('close', () => {
      this.#waiting.delete(socket);
      // The request whose body it is may have been answered meanwhile.
      this.whenAnswered(socket, settle);
    });
  }
}

/** Whether an answer was sent, and what it does to its connection is done: one that closes it leaves no room for another. */
function isOver({ response }: Exchange): boolean {
  return response.writableFinished && response.socket === null;
}
