/**
 * The rows of an input as the caller wrote them. Captures keep these: to write numbers anew takes longer than to run a small
 * model on them.
 */
export class RowTexts {
  readonly #bytes: Uint8Array;
  readonly #bounds: number[] | Uint32Array;

  constructor(bytes: Uint8Array, bounds: number[] | Uint32Array = []) {
    this.#bytes = bytes;
    this.#bounds = bounds;
  }

  /** Where the rows lie: the start of each, and the end. */
  get bounds(): Uint32Array<ArrayBuffer> {
    return Uint32Array.from(this.#bounds);
  }

  /** The next row lies from `start` to before `end` in the bytes: numbers with commas between them. */
  add(start: number, end: number): void {
    (this.#bounds as number[]).push(start, end);
  }

  /** A row as a JSON list. */
  list(row: number): string {
    const start = this.#bounds[2 * row]!;
    const end = this.#bounds[2 * row + 1]!;
    return `[${Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, end - start).toString('latin1')}]`;
  }
}
