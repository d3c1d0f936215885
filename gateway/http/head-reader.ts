import type { RequestHead } from './request-head.js';
import { readHead } from './request-head.js';

/**
 * Reads the heads of one connection. A caller mostly sends the same head again: then the one that was read before is
 * answered, after a look whether the bytes are the same.
 */
export class HeadReader {
  #known: RequestHead | null = null;
  #bytes = Buffer.alloc(0);

  read(bytes: Buffer): RequestHead | 'incomplete' | 'unusual' {
    const known = this.#known;
    if (known !== null && bytes.length >= known.bytes && bytes.compare(this.#bytes, 0, known.bytes, 0, known.bytes) === 0) return known;
    const head = readHead(bytes);
    if (typeof head === 'object') this.#remember(head, bytes);
    return head;
  }

  #remember(head: RequestHead, bytes: Buffer): void {
    // A copy: a part of what was received would keep all of it in memory.
    if (this.#bytes.length < head.bytes) this.#bytes = Buffer.allocUnsafeSlow(head.bytes);
    bytes.copy(this.#bytes, 0, 0, head.bytes);
    this.#known = head;
  }
}
