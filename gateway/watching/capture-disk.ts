import { mkdir, statfs } from 'node:fs/promises';
import type { CaptureFiles } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import type { Log } from '../log.js';
import { reasonOf } from '../log.js';

export type CaptureDiskDeps = {
  readonly folder: string;
  readonly files: Pick<CaptureFiles, 'diskUse'>;
  readonly config: { readonly captureDiskUse: number; readonly captureDiskEveryMs: number };
  readonly log: Log;
};

/** Writing begins again this far below the limit, so that it does not go on and off around it. */
const slack = 0.02;

/** Whether there is room on the disks that captured requests take; says so in the log when that changes. */
export class CaptureDisk {
  readonly #deps: CaptureDiskDeps;
  #lookedAtMs = -Infinity;
  #refused = 0;
  /** Whether nothing is to be written because a disk is nearly full. */
  stopped = false;

  constructor(deps: CaptureDiskDeps) {
    this.#deps = deps;
  }

  /** Counts what was not taken while it is stopped, for the line that tells the end of it. */
  refused(): void {
    this.#refused++;
  }

  /** Looks again when it is time to. */
  async look(): Promise<void> {
    const now = performance.now();
    const { files, folder, config, log } = this.#deps;
    if (now - this.#lookedAtMs < config.captureDiskEveryMs) return;
    this.#lookedAtMs = now;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Of a place that cannot be asked, putting files there will tell.
    const use = Math.max(await useOf(folder), await files.diskUse().catch(() => 0));
    if (use >= config.captureDiskUse) {
      this.#stop(`${Math.round(use * 100)}% of the disk is in use; ${config.captureDiskUse * 100}% is the limit`);
    } else if (this.stopped && use < config.captureDiskUse - slack) {
      this.stopped = false;
      log({ level: 'info', event: 'captureFilesResumed', lost: this.#refused });
      this.#refused = 0;
    }
  }

  /** Stops at once when an error says that a disk is full; the next look begins again where there is room. */
  met(error: unknown): void {
    const code = error instanceof PerennialError ? error.details['code'] : (error as NodeJS.ErrnoException).code;
    if (code === 'ENOSPC' || code === 'EDQUOT') this.#stop(reasonOf(error));
  }

  #stop(reason: string): void {
    if (this.stopped) return;
    this.stopped = true;
    this.#deps.log({
      level: 'error',
      event: 'captureFilesStopped',
      reason: `${reason}. Requests are answered, but not captured in files; free space, or set another place in PERENNIAL_CAPTURES`,
    });
  }
}

/** Share of a folder's disk in use, as df has it. */
async function useOf(folder: string): Promise<number> {
  const { blocks, bfree, bavail } = await statfs(folder);
  const used = blocks - bfree;
  return used + bavail === 0 ? 0 : used / (used + bavail);
}
