import type { Writable } from 'node:stream';
import { cut } from './style.js';

/** What goes on now: lines that are drawn again in place on a terminal, and one plain line for where there is none. */
export type LiveBlock = { readonly lines: readonly string[]; readonly plain: string };

export type ScreenOptions = {
  readonly stream: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
  /** False draws plain lines on a terminal too. */
  readonly live?: boolean;
};

const redrawMs = 120;
const quietMs = 1_500;
const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/**
 * A terminal with a history and, below it, a block that is drawn again in place. Elsewhere (a file, a pipe) the block's
 * plain line is written when nothing was for a while, so that it is never silent for two seconds while something goes on.
 */
export class Screen {
  readonly #stream: ScreenOptions['stream'];
  readonly #live: boolean;
  #block: (() => LiveBlock) | null = null;
  #drawn = 0;
  #lastMs = performance.now();
  #frame = 0;
  readonly #timer: NodeJS.Timeout;

  constructor({ stream, live = stream.isTTY === true }: ScreenOptions) {
    this.#stream = stream;
    this.#live = live;
    // A terminal that was closed, a pipe that nobody reads: what is shown is lost, what runs is not.
    stream.on('error', () => undefined);
    this.#timer = setInterval(() => this.#tick(), redrawMs);
    this.#timer.unref();
  }

  /** Whether it draws in place. */
  get live(): boolean {
    return this.#live;
  }

  get columns(): number {
    return this.#stream.columns ?? 100;
  }

  /** A mark that turns while something goes on; a dot where nothing is drawn again. */
  get turning(): string {
    return this.#live ? (spinner[this.#frame % spinner.length] ?? '…') : '…';
  }

  /** A line that stays. */
  say(line = ''): void {
    this.#erase();
    this.#stream.write(`${line}\n`);
    this.#lastMs = performance.now();
    this.#draw();
  }

  /** Shows what goes on, asked for again at each draw; null when nothing does. */
  show(block: (() => LiveBlock) | null): void {
    this.#block = block;
    this.#erase();
    this.#draw();
  }

  /** Leaves the terminal to a question, or for good. */
  end(): void {
    clearInterval(this.#timer);
    this.#erase();
    this.#block = null;
  }

  #tick(): void {
    this.#frame += 1;
    if (this.#block === null) return;
    if (this.#live) {
      this.#erase();
      this.#draw();
    } else if (performance.now() - this.#lastMs >= quietMs) {
      this.say(this.#block().plain);
    }
  }

  #draw(): void {
    if (this.#block === null || !this.#live) return;
    const most = Math.max(1, (this.#stream.rows ?? 40) - 2);
    const lines = this.#block().lines.slice(0, most);
    this.#stream.write(lines.map((line) => `${cut(line, this.columns - 1)}\n`).join(''));
    this.#drawn = lines.length;
  }

  #erase(): void {
    if (this.#drawn > 0) this.#stream.write(`\u001b[${this.#drawn}A\u001b[0J`);
    this.#drawn = 0;
  }
}
