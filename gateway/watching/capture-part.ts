import { randomUUID } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { FinishedFile } from './capture-shipping.js';
import { renamed } from './renamed.js';

/** A file name that stands for a place below folders; no name of a model or a variant holds a `!`. */
export const spoolName = (name: string): string => name.replaceAll('/', '!');
export const placeName = (spooled: string): string => spooled.replaceAll('!', '/');

/** Ending of a file that is still being written. */
export const unfinished = '.part';

/** The file that the lines of one folder are gathered in, and the lines on their way into it. */
export class CapturePart {
  readonly #own: string;
  readonly #folder: string;
  #lines: string[] = [];
  #waiting = 0;
  #file: Awaited<ReturnType<typeof open>> | undefined;
  #name = '';
  #openedMs = 0;
  /** Whole lines in the file, and their bytes. */
  lines = 0;
  bytes = 0;

  constructor(own: string, folder: string) {
    this.#own = own;
    this.#folder = folder;
  }

  /** Characters that wait to be written. */
  get waiting(): number {
    return this.#waiting;
  }

  get ageMs(): number {
    return this.#file === undefined ? 0 : performance.now() - this.#openedMs;
  }

  /** Takes a line; answers what it adds to what waits. */
  add(line: string): number {
    this.#lines.push(line);
    this.#waiting += line.length;
    return line.length;
  }

  /** Appends what waits; answers what of it is in the file now. What the disk refused waits on. */
  async write(): Promise<{ characters: number; lines: number }> {
    const lines = this.#lines;
    const characters = this.#waiting;
    if (lines.length === 0) return { characters: 0, lines: 0 };
    const bytes = Buffer.from(lines.join(''));
    const count = lines.length;
    this.#file ??= await this.#open();
    const file = this.#file;
    try {
      // At its place, so that what a full disk took of a write before is written over.
      for (let at = 0; at < bytes.length;) {
        const { bytesWritten } = await file.write(bytes, at, bytes.length - at, this.bytes + at);
        at += bytesWritten;
      }
    } catch (error) {
      // Who finds this file after a kill must not take the half of a line for a line.
      await file.truncate(this.bytes).catch(() => undefined);
      throw error;
    }
    this.bytes += bytes.length;
    this.lines += count;
    this.#lines = this.#lines.slice(count);
    this.#waiting -= characters;
    return { characters, lines: count };
  }

  /** Makes the file durable and gives it its finished name; null when it was taken away. The next line opens another one. */
  async finish(): Promise<FinishedFile | null> {
    const path = join(this.#own, spoolName(this.#name));
    await this.#file!.sync();
    const isThere = await renamed(`${path}${unfinished}`, path);
    await this.#file!.close();
    const finished = isThere ? { name: this.#name, path, bytes: this.bytes } : null;
    this.#file = undefined;
    this.bytes = 0;
    this.lines = 0;
    return finished;
  }

  /** Lets go of the file as it is. */
  async abandon(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #open(): Promise<Awaited<ReturnType<typeof open>>> {
    const at = new Date().toISOString();
    // Minutes, seconds and milliseconds, as SageMaker names its files.
    this.#name = `${this.#folder}/${at.slice(14, 16)}-${at.slice(17, 19)}-${at.slice(20, 23)}-${randomUUID()}.jsonl`;
    this.#openedMs = performance.now();
    return open(join(this.#own, `${spoolName(this.#name)}${unfinished}`), 'wx', 0o600);
  }
}
