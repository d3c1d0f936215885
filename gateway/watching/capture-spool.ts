import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CaptureFiles } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import type { Log } from '../log.js';
import { reasonOf } from '../log.js';
import { adoptLeftovers, ownedHere } from './capture-leftovers.js';
import { CapturePart } from './capture-part.js';

export type SpoolConfig = {
  /** A file that has grown to this size is finished. */
  readonly captureFileBytes: number;
  /** A file is finished at this age. */
  readonly captureFileMs: number;
  /** Lines kept in memory; beyond half of it they are thinned out. */
  readonly captureWaitingBytes: number;
  /** Files kept on this machine while their place is away. */
  readonly captureSpoolBytes: number;
  /** Share of a disk in use from which on nothing more is written. */
  readonly captureDiskUse: number;
  readonly captureDiskEveryMs: number;
};

export type SpoolDeps = { readonly folder: string; readonly files: CaptureFiles; readonly config: SpoolConfig; readonly log: Log };

type Ready = { readonly name: string; readonly path: string; readonly bytes: number };

const writeEveryMs = 100;
const leftoversEveryMs = 60_000;
const retryAfterMs = [100, 250, 500, 1_000, 2_000, 5_000];
/** Writing begins again this far below the limit, so that it does not go on and off around it. */
const diskSlack = 0.02;

/**
 * Captured lines on their way to their files: gathered in memory, appended to files of this process, finished by size and
 * age, and then handed to `CaptureFiles` whole. Nobody waits for it. What memory, the spool or the disk has no room for is
 * thinned out or given up, counted, and told in the log. After a kill the next gateway finishes what is left.
 */
export class CaptureSpool {
  readonly #deps: SpoolDeps;
  readonly #own: string;
  readonly #parts = new Map<string, CapturePart>();
  #ready: Ready[] = [];
  #readyBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #atWork = false;
  #work: Promise<void> = Promise.resolve();
  #closed = false;
  #failures = 0;
  #retryAtMs = 0;
  #diskAtMs = -Infinity;
  #leftoversAtMs = -Infinity;
  #share = 0;
  #lostWhenStopped = 0;
  #spoolFull = false;
  lastFailure: string | null = null;
  /** Lines written; lines thinned out; lines given up; files that reached their place. */
  written = 0;
  thinned = 0;
  lost = 0;
  files = 0;
  /** Files of gateways that were killed, and lines of theirs that were cut off in the middle. */
  recoveredFiles = 0;
  tornLines = 0;
  waitingBytes = 0;
  /** Whether nothing is written because a disk is nearly full. */
  stopped = false;

  constructor(deps: SpoolDeps) {
    this.#deps = deps;
    this.#own = join(deps.folder, `${hostname()}~${process.pid}~${randomUUID().slice(0, 8)}`);
    ownedHere.add(this.#own);
  }

  /** Begins to write; and to look for what gateways that were killed have left. */
  start(): void {
    this.#timer = setInterval(() => {
      if (!this.#atWork) void this.#turn(() => this.#pump(false));
    }, writeEveryMs).unref();
  }

  /** Whether a line would be taken now; to be asked before it is made. A refusal is counted. */
  admits(): boolean {
    if (this.#closed || this.stopped || this.#spoolFull) {
      this.lost++;
      if (this.stopped) this.#lostWhenStopped++;
      return false;
    }
    const fill = this.waitingBytes / this.#deps.config.captureWaitingBytes;
    if (fill <= 0.5) return true;
    this.#share += Math.max(0, 2 * (1 - fill));
    if (this.#share >= 1) {
      this.#share -= 1;
      return true;
    }
    this.thinned++;
    return false;
  }

  /** Takes a line for the files of a folder such as `demand/champion/2026/11/21/13`. */
  add(folder: string, line: string): void {
    let part = this.#parts.get(folder);
    if (part === undefined) this.#parts.set(folder, (part = new CapturePart(this.#own, folder)));
    this.waitingBytes += part.add(line);
  }

  /** Finishes all files and puts them in their place. `Unavailable` when that takes longer than `limitMs`. */
  async flush(limitMs: number): Promise<void> {
    const untilMs = performance.now() + limitMs;
    while (this.waitingBytes > 0 || this.#parts.size > 0 || this.#ready.length > 0) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) {
        const reason = this.stopped ? 'the disk is nearly full' : (this.lastFailure ?? 'the disk is slow');
        throw new PerennialError('Unavailable', `files of captured requests are not stored after ${limitMs} ms: ${reason}`);
      }
      this.#retryAtMs = 0;
      await Promise.race([this.#turn(() => this.#pump(true)), delay(leftMs, undefined, { ref: false })]);
      if (this.#failures > 0 || this.stopped) await delay(Math.min(50, leftMs));
    }
  }

  /** Writes no more. What is on this machine still is finished by the next gateway that starts here. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#turn(async () => {
      for (const part of this.#parts.values()) await part.abandon();
    });
    ownedHere.delete(this.#own);
  }

  /** One thing at a time touches the files. */
  #turn(work: () => Promise<void>): Promise<void> {
    this.#atWork = true;
    const turn = this.#work
      .then(work)
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        if (this.#work === turn) this.#atWork = false;
      });
    return (this.#work = turn);
  }

  /** What one of these meets does not keep the others from their work. */
  async #pump(finishAll: boolean): Promise<void> {
    const steps = [() => this.#checkDisk(), () => this.#takeLeftovers(), () => this.#write(finishAll), () => this.#ship()];
    for (const step of steps) await step().catch((error: unknown) => this.#failed(error));
  }

  async #write(finishAll: boolean): Promise<void> {
    const { config } = this.#deps;
    if (this.stopped) return;
    for (const [folder, part] of this.#parts) {
      if (part.waiting > 0) await mkdir(this.#own, { recursive: true, mode: 0o700 });
      const { characters, lines } = await part.write();
      this.waitingBytes -= characters;
      this.written += lines;
      if (!finishAll && part.bytes < config.captureFileBytes && part.ageMs < config.captureFileMs) continue;
      this.#queue(await part.finish());
      // What came meanwhile goes into the next file.
      if (part.waiting === 0) this.#parts.delete(folder);
    }
  }

  #queue(file: Ready): void {
    this.#ready.push(file);
    this.#readyBytes += file.bytes;
    this.#noteRoom();
  }

  async #ship(): Promise<void> {
    if (performance.now() < this.#retryAtMs) return;
    while (this.#ready.length > 0) {
      const next = this.#ready[0]!;
      try {
        await this.#deps.files.put(next.name, next.path);
      } catch (error) {
        // Taken to its place before something failed, or away by somebody: it would be waited for without end.
        if (existsSync(next.path)) throw error;
      }
      this.#ready.shift();
      this.#readyBytes -= next.bytes;
      this.files++;
      this.#failures = 0;
      this.lastFailure = null;
    }
    this.#noteRoom();
  }

  #failed(error: unknown): void {
    const reason = reasonOf(error);
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOSPC' || code === 'EDQUOT') this.#stop(reason);
    if (this.lastFailure !== reason) this.#deps.log({ level: 'error', event: 'captureFilesDelayed', reason });
    this.lastFailure = reason;
    this.#retryAtMs = performance.now() + retryAfterMs[Math.min(this.#failures++, retryAfterMs.length - 1)]!;
  }

  #noteRoom(): void {
    const full = this.#readyBytes >= this.#deps.config.captureSpoolBytes;
    if (full && !this.#spoolFull)
      this.#deps.log({
        level: 'error',
        event: 'captureSpoolFull',
        bytes: this.#readyBytes,
        reason: this.lastFailure ?? 'files come faster than they can be put in their place',
      });
    this.#spoolFull = full;
  }

  async #checkDisk(): Promise<void> {
    const now = performance.now();
    const { files, folder, config } = this.#deps;
    if (now - this.#diskAtMs < config.captureDiskEveryMs) return;
    this.#diskAtMs = now;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Of a place that cannot be asked, putting files there will tell.
    const use = Math.max(await diskUse(folder), await files.diskUse().catch(() => 0));
    if (use >= config.captureDiskUse)
      this.#stop(`${Math.round(use * 100)}% of the disk is in use; ${config.captureDiskUse * 100}% is the limit`);
    else if (this.stopped && use < config.captureDiskUse - diskSlack) {
      this.stopped = false;
      this.#deps.log({ level: 'info', event: 'captureFilesResumed', lost: this.#lostWhenStopped });
      this.#lostWhenStopped = 0;
    }
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

  async #takeLeftovers(): Promise<void> {
    const now = performance.now();
    if (now - this.#leftoversAtMs < leftoversEveryMs) return;
    this.#leftoversAtMs = now;
    const found = await adoptLeftovers(this.#deps.folder, this.#own);
    if (found.files.length === 0 && found.tornLines === 0) return;
    this.recoveredFiles += found.files.length;
    this.tornLines += found.tornLines;
    for (const file of found.files) this.#queue(file);
    this.#deps.log({ level: 'info', event: 'captureFilesRecovered', files: found.files.length, tornLines: found.tornLines });
  }
}

/** Share of a folder's disk in use, as df has it. */
async function diskUse(folder: string): Promise<number> {
  const { blocks, bfree, bavail } = await statfs(folder);
  const used = blocks - bfree;
  return used + bavail === 0 ? 0 : used / (used + bavail);
}
