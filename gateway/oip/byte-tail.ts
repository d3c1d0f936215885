import { invalid } from '../http/request-error.js';

/** The bytes after the head of a request: its binary tensors, one after the other. */
export class ByteTail {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next tensor's bytes, not copied. Throws a `RequestError` when there are not so many. */
  take(size: number, place: string): Uint8Array {
    const left = this.#bytes.length - this.#at;
    if (size > left) throw invalid(`${place}: binary_data_size is ${size}, but only ${left} bytes are left in the body`);
    const start = this.#at;
    this.#at += size;
    return this.#bytes.subarray(start, this.#at);
  }

  /** Throws a `RequestError` when bytes are left that no input has announced. */
  end(): void {
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw invalid(`unexpected additional input data: ${left} bytes are left after the last tensor that the head announces`);
  }
}
