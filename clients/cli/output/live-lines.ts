import type { CliStream } from '../context.js';
import { cut } from './style.js';

const defaultColumns = 120;

/** Lines at the end of a terminal that are drawn anew in place; `settle` leaves them and goes on below. */
export class LiveLines {
  readonly #stream: CliStream;
  #drawn = 0;

  constructor(stream: CliStream) {
    this.#stream = stream;
  }

  /** Draws these lines in the place of those before. A line never wraps: it would take two rows. */
  draw(lines: readonly string[]): void {
    const columns = this.#stream.columns ?? defaultColumns;
    this.#stream.write(`${this.#home()}${lines.map((line) => `${cut(line, columns)}\u001b[K\n`).join('')}\u001b[J`);
    this.#drawn = lines.length;
  }

  /** Writes lines that stay, above those that are drawn anew. */
  above(lines: readonly string[]): void {
    this.#stream.write(`${this.#home()}\u001b[J${lines.map((line) => `${line}\n`).join('')}`);
    this.#drawn = 0;
  }

  /** Takes the lines away. */
  clear(): void {
    this.above([]);
  }

  #home(): string {
    return this.#drawn === 0 ? '' : `\u001b[${this.#drawn}F`;
  }
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** The sign of a spinner at a moment. */
export const spinner = (nowMs: number): string => frames[Math.floor(nowMs / 100) % frames.length] ?? '';
