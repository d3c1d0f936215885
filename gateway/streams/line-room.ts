import type { BodyRoom } from '../http/body-room.js';
import type { GatewayRequest } from '../http/whole-request.js';

/** The memory of the lines of a body that are answered while it arrives: of the one being read, and of those not answered yet. */
export class LineRoom {
  readonly #room: BodyRoom;
  readonly #request: GatewayRequest;
  /** Bytes of the lines that are not answered, in their order. */
  readonly #open: number[] = [];
  #bytes = 0;

  constructor(room: BodyRoom, request: GatewayRequest) {
    this.#room = room;
    this.#request = request;
  }

  /** So much of a line has come. Throws a `RequestError` `overloaded` when there is no room for it. */
  reading(bytes: number): void {
    this.#room.hold(this.#request, this.#bytes + bytes);
  }

  /** A line is there as a whole. */
  taken(bytes: number): void {
    this.#open.push(bytes);
    this.#bytes += bytes;
  }

  /** The oldest line is answered. */
  answered(): void {
    this.#bytes -= this.#open.shift() ?? 0;
  }
}
