import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobEvent } from '../../activities/ports.js';
import { isCode, jobFiles } from './job-folder.js';

const chunkBytes = 1 << 20;
const tailBytes = 16_384;
const kinds: ReadonlySet<unknown> = new Set(['progress', 'metric', 'log', 'result'] satisfies JobEvent['kind'][]);

/** Whole lines of the output after a byte offset, at most 1 MiB of them. A line that is no event is one of kind `log`. */
export async function readEvents(folder: string, offset: number): Promise<{ events: JobEvent[]; next: number }> {
  const bytes = await readFrom(join(folder, jobFiles.stdout), { offset, length: chunkBytes });
  let end = bytes.lastIndexOf(0x0a) + 1;
  // A line longer than all that is read at once would hold everything up.
  if (end === 0 && bytes.length === chunkBytes) end = chunkBytes;
  const lines = bytes.subarray(0, end).toString('utf8').split('\n');
  return { events: lines.filter((line) => line.trim() !== '').map(toEvent), next: offset + end };
}

/** What the job said last, for a person: its own log lines, then what Python or the system wrote. */
export async function lastLines(folder: string): Promise<string[]> {
  const said = (await readTail(join(folder, jobFiles.stdout))).map(toEvent).filter((event) => event.kind === 'log');
  const written = await readTail(join(folder, jobFiles.stderr));
  return [...written.slice(-15), ...said.slice(-5).map((event) => String(event['message']))].map((line) => line.slice(0, 500));
}

/** The trainer's own account of its failure, `kind: message`, or null. */
export async function readFailure(folder: string): Promise<string | null> {
  try {
    return (await readFile(join(folder, jobFiles.failure), 'utf8')).trim() || null;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw error;
  }
}

function toEvent(line: string): JobEvent {
  try {
    const found = JSON.parse(line) as Partial<JobEvent>;
    if (kinds.has(found.kind) && typeof found.at === 'number') return found as JobEvent;
  } catch {
    // Not JSON: something below the trainer printed it.
  }
  return { kind: 'log', at: Date.now(), level: 'info', message: line.slice(0, 1000) };
}

async function readTail(path: string): Promise<string[]> {
  const bytes = await readFrom(path, { offset: -tailBytes, length: tailBytes });
  return bytes
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '');
}

/** A negative offset counts from the end. */
async function readFrom(path: string, { offset, length }: { offset: number; length: number }): Promise<Buffer> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (isCode(error, 'ENOENT')) return null;
    throw error;
  });
  if (file === null) return Buffer.alloc(0);
  try {
    const { size } = await file.stat();
    const from = offset < 0 ? Math.max(0, size + offset) : offset;
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, size - from)));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
