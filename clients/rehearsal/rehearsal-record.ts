import { readJson, writeJson } from '../../tools/json-file.mjs';

/** How a run ended, as `--json` tells it. */
export type RunLine = {
  readonly run: string;
  readonly version: string | null;
  readonly outcome: string;
  readonly reason: string;
  readonly metrics: readonly unknown[];
  readonly gates: readonly unknown[];
  readonly seconds: number;
};

/** What a rehearsal prints last with `--json`. */
export type RehearsalResult = {
  readonly model: string;
  readonly runs: readonly RunLine[];
  readonly champion: string | null;
  readonly setupSeconds: number;
  readonly seconds: number;
};

type Told = {
  readonly startedAtMs: number;
  /** Run names, once they have begun. */
  readonly first: string | null;
  readonly second: string | null;
  readonly requests: number;
  readonly failed: number;
  readonly result: RehearsalResult | null;
};

/** How far the rehearsal of this world is, in a file of its home: an interrupted one goes on, a finished one is kept. */
export class RehearsalRecord {
  readonly #file: string;
  #told: Told;

  constructor(file: string) {
    this.#file = file;
    this.#told = (readJson(file) as Told | undefined) ?? fresh();
  }

  /** Whether this world has begun one. */
  get begun(): boolean {
    return readJson(this.#file) !== undefined;
  }

  get told(): Told {
    return this.#told;
  }

  note(change: Partial<Told>): void {
    this.#told = { ...this.#told, ...change };
    writeJson(this.#file, this.#told);
  }
}

const fresh = (): Told => ({ startedAtMs: Date.now(), first: null, second: null, requests: 0, failed: 0, result: null });
