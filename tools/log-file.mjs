import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const LARGEST_BYTES = 20 * 2 ** 20;
const READ_BYTES = 256 * 1024;

/**
 * Opens a process's log to append to; one that has grown large becomes `<file>.1` first.
 * @param {string} file
 * @returns {{descriptor: number, from: number}} `from` is where what is written now begins
 */
export function openLog(file) {
  mkdirSync(dirname(file), { recursive: true });
  if (sizeOf(file) > LARGEST_BYTES) renameSync(file, `${file}.1`);
  const from = sizeOf(file);
  return { descriptor: openSync(file, 'a', 0o600), from };
}

/**
 * What was written to a log from a byte on, at most the last 256 KiB of it.
 * @param {string} file
 * @param {number} from
 */
export function readLog(file, from) {
  const to = sizeOf(file);
  const start = Math.max(from, to - READ_BYTES);
  if (to <= start) return '';
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(to - start);
    return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, buffer.length, start));
  } finally {
    closeSync(descriptor);
  }
}

/** @param {string} file */
function sizeOf(file) {
  return existsSync(file) ? statSync(file).size : 0;
}
