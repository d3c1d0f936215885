import type { CliIo } from '../context.js';
import { Screen } from './screen.js';
import { type Style, styleFor } from './style.js';
import { type Column, factLines, tableLines } from './table.js';

/**
 * What a verb prints. With `--json` stdout carries one JSON document and nothing else; all that is for people goes to
 * stderr then.
 */
export class Output {
  readonly json: boolean;
  readonly style: Style;
  readonly #io: CliIo;

  constructor(io: CliIo, json: boolean) {
    this.#io = io;
    this.json = json;
    this.style = styleFor(this.#people, io.env);
  }

  get #people() {
    return this.json ? this.#io.stderr : this.#io.stdout;
  }

  /** Whether a person at a terminal reads along. */
  get live(): boolean {
    return this.#people.isTTY === true;
  }

  get width(): number {
    return this.#people.columns ?? 160;
  }

  line(text = ''): void {
    this.#people.write(`${text}\n`);
  }

  lines(texts: readonly string[]): void {
    for (const text of texts) this.line(text);
  }

  heading(text: string): void {
    this.line(this.style.bold(text));
  }

  table(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
    this.lines(tableLines(columns, rows, { style: this.style, width: this.live ? this.width : Infinity }));
  }

  facts(facts: readonly (readonly [string, string])[]): void {
    this.lines(factLines(facts, this.style));
  }

  /** For warnings and progress: never on stdout. */
  note(text: string): void {
    this.#io.stderr.write(`${text}\n`);
  }

  /** The verb's answer: the document with `--json`, else what `show` prints. */
  answer(value: unknown, show: () => void): void {
    if (this.json) this.document(value);
    else show();
  }

  /** The one JSON document; only with `--json`. */
  document(value: unknown): void {
    if (this.json) this.#io.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** Where people see what goes on. */
  screen(): Screen {
    return new Screen({ stream: this.#people });
  }
}
