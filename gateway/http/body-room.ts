import type { GatewayRequest } from './whole-request.js';
import { RequestError } from './request-error.js';

/** Bodies up to this size are not counted: what they take is bounded by the number of connections. */
const smallBytes = 64 * 1024;

/**
 * The memory that large bodies take together, from their first byte until their request is answered. What would go beyond
 * it is refused, so that many large bodies at once, or many that arrive slowly, do not take it all.
 */
export class BodyRoom {
  readonly #maxBytes: number;
  readonly #held = new Map<GatewayRequest, number>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Counts that the body of a request now takes so many bytes, or so few. Throws a `RequestError` `overloaded` when there is no room. */
  hold(request: GatewayRequest, bytes: number): void {
    if (bytes <= smallBytes) return this.release(request);
    const more = bytes - (this.#held.get(request) ?? 0);
    if (more > 0 && this.#bytes + more > this.#maxBytes)
      throw new RequestError('overloaded', `large bodies take ${this.#bytes} of ${this.#maxBytes} bytes: try again later`);
    this.#bytes += more;
    this.#held.set(request, bytes);
  }

  /** To be called when the request is answered, and its answer, where it comes piece by piece, is over. */
  release(request: GatewayRequest): void {
    if (this.#bytes === 0) return;
    this.#bytes -= this.#held.get(request) ?? 0;
    this.#held.delete(request);
  }
}
