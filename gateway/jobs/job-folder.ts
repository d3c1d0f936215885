import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobRecord } from './job-record.js';

/** The beginning of a row that was answered by an error. */
const isFailure = /^\{"row":\d+,"error":/;

/** Rows that a job's results hold already. */
export type Written = { readonly done: number; readonly failed: number };

/**
 * Jobs as folders: `job.json`, `input`, `result.jsonl` with one line a row. The record is replaced whole; results are
 * appended, so what a killed process has written of a line is cut off when the job goes on.
 */
export class JobFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** All jobs that can be read; what a submission left unfinished is removed. What cannot be read now, or not by this release, stays. */
  async list(): Promise<JobRecord[]> {
    await mkdir(this.#folder, { recursive: true });
    const records: JobRecord[] = [];
    for (const id of await readdir(this.#folder)) {
      const record = await this.#read(id);
      if (record === 'unfinished') await this.remove(id);
      else if (record?.format === 1 && record.id === id) records.push(record);
    }
    return records.sort((a, b) => a.submittedMs - b.submittedMs);
  }

  /** Keeps a new job with its input, if it came with the call. The record comes last: without it there is no job. */
  async create(record: JobRecord, input: Uint8Array | null): Promise<void> {
    await mkdir(join(this.#folder, record.id), { recursive: true });
    if (input !== null) await writeFile(this.inputPath(record.id), input, { flush: true });
    await this.save(record);
  }

  async save(record: JobRecord): Promise<void> {
    const path = join(this.#folder, record.id, 'job.json');
    await writeFile(`${path}.tmp`, JSON.stringify(record), { flush: true });
    await rename(`${path}.tmp`, path);
  }

  inputPath(id: string): string {
    return join(this.#folder, id, 'input');
  }

  resultPath(id: string): string {
    return join(this.#folder, id, 'result.jsonl');
  }

  /** Bytes of the input; null when it is not here. */
  async inputBytes(id: string): Promise<number | null> {
    return stat(this.inputPath(id)).then(
      ({ size }) => size,
      () => null,
    );
  }

  async append(id: string, lines: string): Promise<void> {
    const file = await open(this.resultPath(id), 'a');
    try {
      await file.appendFile(lines);
    } finally {
      await file.close();
    }
  }

  /** Counts the rows that are there and cuts the file to the last multiple of `multiple`, where work goes on. */
  async resume(id: string, multiple: number): Promise<Written> {
    let lines = 0;
    let failed = 0;
    let at = 0;
    let kept = { done: 0, failed: 0, bytes: 0 };
    let rest: Buffer = Buffer.alloc(0);
    try {
      for await (const chunk of createReadStream(this.resultPath(id)) as AsyncIterable<Buffer>) {
        const text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
        let from = 0;
        for (let end = text.indexOf(0x0a); end >= 0; end = text.indexOf(0x0a, from)) {
          if (isFailure.test(text.toString('latin1', from, Math.min(end, from + 40)))) failed++;
          at += end + 1 - from;
          from = end + 1;
          if (++lines % multiple === 0) kept = { done: lines, failed, bytes: at };
        }
        rest = text.subarray(from);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return kept;
    }
    await truncate(this.resultPath(id), kept.bytes);
    return kept;
  }

  /** The results as they are; nothing when there are none. The file is opened when somebody reads. */
  async *results(id: string): AsyncGenerator<Buffer, void> {
    try {
      yield* createReadStream(this.resultPath(id)) as AsyncIterable<Buffer>;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  /** Removes the input, which an ended job needs no more. */
  async dropInput(id: string): Promise<void> {
    await rm(this.inputPath(id), { force: true });
  }

  async remove(id: string): Promise<void> {
    await rm(join(this.#folder, id), { recursive: true, force: true });
  }

  async #read(id: string): Promise<JobRecord | 'unfinished' | null> {
    try {
      return JSON.parse(await readFile(join(this.#folder, id, 'job.json'), 'utf8')) as JobRecord;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return error instanceof SyntaxError || code === 'ENOENT' || code === 'ENOTDIR' ? 'unfinished' : null;
    }
  }
}
