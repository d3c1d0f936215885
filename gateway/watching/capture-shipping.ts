import { existsSync } from 'node:fs';
import type { CaptureFiles } from '../../activities/ports.js';
import type { Log } from '../log.js';
import { reasonOf } from '../log.js';

/** A finished file of this machine, and the name that it gets in its place. */
export type FinishedFile = { readonly name: string; readonly path: string; readonly bytes: number };

export type CaptureShippingDeps = {
  readonly files: Pick<CaptureFiles, 'put'>;
  readonly config: { readonly captureSpoolBytes: number };
  readonly log: Log;
};

const retryAfterMs = [100, 250, 500, 1_000, 2_000, 5_000];

/** Finished files on the way to their place, in order. While the place is away they wait, up to a bound. */
export class CaptureShipping {
  readonly #deps: CaptureShippingDeps;
  readonly #waiting: FinishedFile[] = [];
  #bytes = 0;
  #failures = 0;
  #retryAtMs = 0;
  lastFailure: string | null = null;
  /** Whether no more may be finished. */
  isFull = false;
  /** Files that reached their place. */
  put = 0;

  constructor(deps: CaptureShippingDeps) {
    this.#deps = deps;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  add(file: FinishedFile): void {
    this.#waiting.push(file);
    this.#bytes += file.bytes;
    this.#noteRoom();
  }

  /** Puts what waits in its place, unless something failed a moment ago and `now` is false. */
  async ship(now: boolean): Promise<void> {
    if (!now && performance.now() < this.#retryAtMs) return;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      try {
        await this.#deps.files.put(next.name, next.path);
      } catch (error) {
        // Taken to its place before something failed, or away by somebody: it would be waited for without end.
        if (existsSync(next.path)) throw error;
      }
      this.#waiting.shift();
      this.#bytes -= next.bytes;
      this.put++;
      this.#failures = 0;
      this.lastFailure = null;
    }
    this.#noteRoom();
  }

  /** Something on the way failed; told once until something else does, or it is over. */
  failed(error: unknown): void {
    const reason = reasonOf(error);
    if (this.lastFailure !== reason) this.#deps.log({ level: 'error', event: 'captureFilesDelayed', reason });
    this.lastFailure = reason;
    this.#retryAtMs = performance.now() + retryAfterMs[Math.min(this.#failures++, retryAfterMs.length - 1)]!;
  }

  #noteRoom(): void {
    const full = this.#bytes >= this.#deps.config.captureSpoolBytes;
    const reason = this.lastFailure ?? 'files come faster than they can be put in their place';
    if (full && !this.isFull) this.#deps.log({ level: 'error', event: 'captureSpoolFull', bytes: this.#bytes, reason });
    this.isFull = full;
  }
}
