import { randomUUID } from 'node:crypto';
import { mkdir, rmdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CaptureFiles } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import type { GatewayConfig } from '../gateway-config.js';
import type { Log } from '../log.js';
import { CaptureDisk } from './capture-disk.js';
import { adoptLeftovers, ownedHere } from './capture-leftovers.js';
import { CapturePart } from './capture-part.js';
import { CaptureShipping } from './capture-shipping.js';

export type SpoolConfig = Pick<
  GatewayConfig,
  'captureFileBytes' | 'captureFileMs' | 'captureWaitingBytes' | 'captureSpoolBytes' | 'captureDiskUse' | 'captureDiskEveryMs'
>;

export type SpoolDeps = { readonly folder: string; readonly files: CaptureFiles; readonly config: SpoolConfig; readonly log: Log };

const writeEveryMs = 100;
const leftoversEveryMs = 60_000;
/** Models and variants beyond this finish their files sooner: each file that is written to takes a handle. */
const maxOpenFiles = 256;

/**
 * Captured lines on their way to their files: gathered in memory, appended to files of this process, finished by size and
 * age, and then handed to `CaptureFiles` whole. Nobody waits for it. What memory, the spool or the disk has no room for is
 * thinned out or given up, counted, and told in the log. After a kill the next gateway finishes what is left.
 */
export class CaptureSpool {
  readonly #deps: SpoolDeps;
  readonly #own: string;
  readonly #parts = new Map<string, CapturePart>();
  readonly #disk: CaptureDisk;
  readonly #shipping: CaptureShipping;
  #timer: NodeJS.Timeout | undefined;
  #atWork = false;
  #work: Promise<void> = Promise.resolve();
  #closed = false;
  #leftoversAtMs = -Infinity;
  #share = 0;
  /** Lines written; lines thinned out; lines given up. */
  written = 0;
  thinned = 0;
  lost = 0;
  /** Files of gateways that were killed, and lines of theirs that were cut off in the middle. */
  recoveredFiles = 0;
  tornLines = 0;
  waitingBytes = 0;

  constructor(deps: SpoolDeps) {
    this.#deps = deps;
    this.#disk = new CaptureDisk(deps);
    this.#shipping = new CaptureShipping(deps);
    this.#own = join(deps.folder, `${hostname()}~${process.pid}~${randomUUID().slice(0, 8)}`);
    ownedHere.add(this.#own);
  }

  /** Files that reached their place. */
  get files(): number {
    return this.#shipping.put;
  }

  /** Whether nothing is written because a disk is nearly full. */
  get stopped(): boolean {
    return this.#disk.stopped;
  }

  /** Begins to write; and to look for what gateways that were killed have left. */
  start(): void {
    this.#timer = setInterval(() => {
      if (!this.#atWork) void this.#turn(() => this.#pump(false));
    }, writeEveryMs).unref();
  }

  /** Whether a line would be taken now; to be asked before it is made. A refusal is counted. */
  admits(): boolean {
    if (this.#closed || this.stopped || this.#shipping.isFull) {
      this.lost++;
      if (this.stopped) this.#disk.refused();
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
    while (this.waitingBytes > 0 || this.#parts.size > 0 || this.#shipping.waiting > 0) {
      const leftMs = untilMs - performance.now();
      const { lastFailure } = this.#shipping;
      if (leftMs <= 0) {
        const reason = this.stopped ? 'the disk is nearly full' : (lastFailure ?? 'the disk is slow');
        throw new PerennialError('Unavailable', `files of captured requests are not stored after ${limitMs} ms: ${reason}`);
      }
      await Promise.race([this.#turn(() => this.#pump(true)), delay(leftMs, undefined, { ref: false })]);
      if (this.stopped || this.#shipping.lastFailure !== null) await delay(Math.min(50, leftMs));
    }
  }

  /** Writes no more. What is on this machine still is finished by the next gateway that starts here. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#turn(async () => {
      for (const part of this.#parts.values()) await part.abandon();
      await rmdir(this.#own).catch(() => undefined);
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
  async #pump(all: boolean): Promise<void> {
    const steps = [() => this.#disk.look(), () => this.#takeLeftovers(), () => this.#write(all), () => this.#shipping.ship(all)];
    for (const step of steps) await step().catch((error: unknown) => this.#failed(error));
  }

  async #write(finishAll: boolean): Promise<void> {
    if (this.stopped) return;
    let failure: unknown;
    // What one file meets does not keep the others from theirs.
    for (const [folder, part] of this.#parts) await this.#writePart(folder, part, finishAll).catch((error: unknown) => (failure ??= error));
    if (failure !== undefined) throw failure;
  }

  async #writePart(folder: string, part: CapturePart, finish: boolean): Promise<void> {
    const { config, log } = this.#deps;
    if (part.waiting > 0) await mkdir(this.#own, { recursive: true, mode: 0o700 });
    const { characters, lines } = await part.write();
    this.waitingBytes -= characters;
    this.written += lines;
    const isDone = part.bytes >= config.captureFileBytes || part.ageMs >= config.captureFileMs;
    if (!finish && !isDone && this.#parts.size <= maxOpenFiles) return;
    const gone = part.lines;
    const finished = await part.finish();
    if (finished === null) {
      this.lost += gone;
      log({ level: 'error', event: 'captureFileGone', folder, lines: gone, reason: `somebody took it from ${this.#own}` });
    } else this.#shipping.add(finished);
    // What came meanwhile goes into the next file.
    if (part.waiting === 0) this.#parts.delete(folder);
  }

  async #takeLeftovers(): Promise<void> {
    const now = performance.now();
    if (now - this.#leftoversAtMs < leftoversEveryMs) return;
    this.#leftoversAtMs = now;
    const found = await adoptLeftovers(this.#deps.folder, this.#own);
    if (found.failure !== undefined) this.#failed(found.failure);
    if (found.files.length === 0 && found.tornLines === 0) return;
    this.recoveredFiles += found.files.length;
    this.tornLines += found.tornLines;
    for (const file of found.files) this.#shipping.add(file);
    this.#deps.log({ level: 'info', event: 'captureFilesRecovered', files: found.files.length, tornLines: found.tornLines });
  }

  #failed(error: unknown): void {
    this.#disk.met(error);
    this.#shipping.failed(error);
  }
}
