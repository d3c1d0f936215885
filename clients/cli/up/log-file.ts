import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const largestBytes = 20 * 2 ** 20;

/** Opens a process's log to append to; one that has grown large becomes `<file>.1` first. */
export function openLog(file: string): { descriptor: number; from: number } {
  mkdirSync(dirname(file), { recursive: true });
  if (sizeOf(file) > largestBytes) renameSync(file, `${file}.1`);
  const from = sizeOf(file);
  return { descriptor: openSync(file, 'a', 0o600), from };
}

/** What was written to a log from a byte on, at most the last 256 KiB of it. */
export function readLog(file: string, from: number): string {
  const to = sizeOf(file);
  const start = Math.max(from, to - 256 * 1024);
  if (to <= start) return '';
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(to - start);
    return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, buffer.length, start));
  } finally {
    closeSync(descriptor);
  }
}

function sizeOf(file: string): number {
  return existsSync(file) ? statSync(file).size : 0;
}
