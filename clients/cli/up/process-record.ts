import { PerennialError } from '../../../domain/errors.js';
import { readJson, writeJson } from '../../../tools/json-file.mjs';
import { endProcess, identify, isSame } from '../../../tools/processes.mjs';

type Identity = { readonly pid: number; readonly started: string };
type Record = { readonly up: Identity; readonly parts: { readonly [name: string]: Identity } };

/** Time that a process of a killed `up` gets to let go of its work. */
const leftoverGraceMs = 12_000;

/**
 * Which processes run for this world, kept in a file so that the next `up` finds what a killed one left. A process number
 * counts only together with its start time.
 */
export class ProcessRecord {
  readonly #file: string;
  readonly #parts = new Map<string, Identity>();

  constructor(file: string) {
    this.#file = file;
  }

  /** `Conflict` when another `up` of this world runs. */
  refuseSecond(): void {
    const known = this.#read();
    if (known === undefined || known.up.pid === process.pid || !isSame(known.up)) return;
    throw new PerennialError(
      'Conflict',
      `This world is up already: process ${known.up.pid} runs it. Use it (./perennial status), stop it with Ctrl-C there (or kill -TERM ${known.up.pid}), or start another world with PERENNIAL_HOME=/path.`,
      { details: { pid: known.up.pid } },
    );
  }

  /** Stops what a killed `up` left; answers the names of what ran. */
  async stopLeftovers(): Promise<string[]> {
    const left = Object.entries(this.#read()?.parts ?? {}).filter(([, identity]) => isSame(identity));
    await Promise.all(left.map(([, { pid }]) => endProcess({ pid, graceMs: leftoverGraceMs })));
    this.#write();
    return left.map(([name]) => name);
  }

  started(name: string, pid: number): void {
    const identity = identify(pid);
    if (identity === undefined) return;
    this.#parts.set(name, { pid, started: identity.started });
    this.#tryToWrite();
  }

  ended(name: string): void {
    if (this.#parts.delete(name)) this.#tryToWrite();
  }

  /** A full disk keeps nothing from being stopped or started again; the record then says what ran before. */
  #tryToWrite(): void {
    try {
      this.#write();
    } catch {
      // The next change writes all of it.
    }
  }

  #write(): void {
    const up = identify(process.pid);
    if (up === undefined) return;
    writeJson(this.#file, { up: { pid: up.pid, started: up.started }, parts: Object.fromEntries(this.#parts) } satisfies Record);
  }

  #read(): Record | undefined {
    return readJson(this.#file) as Record | undefined;
  }
}
