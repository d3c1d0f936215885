import type { IncomingMessage } from 'node:http';

/** The pieces of a body as they come; nearly every body comes in one. */
export class Pieces {
  #first: Buffer | undefined;
  #more: Buffer[] | undefined;

  add(piece: Buffer): void {
    if (this.#first === undefined) this.#first = piece;
    else (this.#more ??= [this.#first]).push(piece);
  }

  drop(): void {
    this.#first = this.#more = undefined;
  }

  whole(): Buffer {
    return this.#more === undefined ? (this.#first ?? empty) : Buffer.concat(this.#more);
  }
}

const empty = Buffer.alloc(0);

/** Smaller bodies are read where they are. */
const sharedFromBytes = 256 * 1024;
/** Memory is taken when this part of the announced bytes has come: an announcement alone costs the caller nothing. */
const takenFrom = 0.25;

/**
 * The pieces of a large body of a known length, put in their place as they come, in memory that threads share: to put
 * megabytes together at once, and once more to give them to a thread, would keep the event loop for milliseconds.
 */
export class SharedPieces extends Pieces {
  readonly #length: number;
  #bytes = 0;
  #whole: Buffer | undefined;

  constructor(length: number) {
    super();
    this.#length = length;
  }

  override add(piece: Buffer): void {
    if (this.#whole === undefined) super.add(piece);
    else piece.copy(this.#whole, this.#bytes);
    this.#bytes += piece.length;
    if (this.#whole !== undefined || this.#bytes < this.#length * takenFrom) return;
    this.#whole = Buffer.from(new SharedArrayBuffer(this.#length));
    super.whole().copy(this.#whole);
    super.drop();
  }

  override drop(): void {
    super.drop();
    this.#whole = undefined;
  }

  override whole(): Buffer {
    return this.#whole ?? super.whole();
  }
}

/** What is read in a thread where it is large. Others may go where shared memory is not taken. */
const sharedTypes: ReadonlySet<string> = new Set([
  'application/json',
  'application/jsonlines',
  'application/jsonl',
  'application/x-ndjson',
  'application/x-jsonlines',
  'text/csv',
  'application/x-npy',
]);

/** Whether a body is a large one that is read in a thread, and its length is known. */
export function isSharable({ headers }: IncomingMessage, announced: number): boolean {
  return (
    announced >= sharedFromBytes &&
    headers['content-encoding'] === undefined &&
    headers['inference-header-content-length'] === undefined &&
    sharedTypes.has((headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase())
  );
}
