import { open, mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { placeName, unfinished } from './capture-part.js';
import type { FinishedFile } from './capture-shipping.js';
import { renamed } from './renamed.js';

/** Spool folders of the gateways in this very process. */
export const ownedHere = new Set<string>();

/** A gateway of another machine that shares the folder counts as gone when it has not written for so long. */
const foreignGoneMs = 10 * 60_000;
const tailBytes = 64 * 1024;

export type Leftovers = {
  readonly files: readonly FinishedFile[];
  /** Lines that were cut off in the middle. */
  readonly tornLines: number;
  /** What kept a file from being taken over, where something did. */
  readonly failure: unknown;
};

/**
 * Takes over what gateways that are gone have left below `folder`: finished files as they are, unfinished ones cut after
 * their last whole line. Of several gateways that look at once, each file goes to one.
 */
export async function adoptLeftovers(folder: string, own: string): Promise<Leftovers> {
  const files: FinishedFile[] = [];
  let tornLines = 0;
  let failure: unknown;
  for (const owner of await readdir(folder)) {
    const left = join(folder, owner);
    if (left === own || ownedHere.has(left) || !(await isGone(left))) continue;
    for (const found of await filesIn(left)) {
      try {
        await mkdir(own, { recursive: true, mode: 0o700 });
        const { file, torn } = await takeOver(join(left, found), own);
        if (torn) tornLines++;
        if (file !== null) files.push(file);
      } catch (error) {
        failure ??= error;
      }
    }
    await rmdir(left).catch(() => undefined);
  }
  return { files, tornLines, failure };
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

/** Null for a file that another gateway was faster with, or in which no line is whole. */
async function takeOver(left: string, own: string): Promise<{ file: FinishedFile | null; torn: boolean }> {
  // Under its unfinished name, whatever it was: if this process is killed now, the next one looks at it again.
  const whole = basename(left, unfinished);
  const taken = join(own, `${whole}${unfinished}`);
  if (!(await renamed(left, taken))) return { file: null, torn: false };
  const { bytes, torn } = await cutTornLine(taken);
  if (bytes === 0) {
    await rm(taken);
    return { file: null, torn };
  }
  const path = join(own, whole);
  await rename(taken, path);
  return { file: { name: placeName(whole), path, bytes }, torn };
}

async function isGone(left: string): Promise<boolean> {
  const [host, pid] = basename(left).split('~');
  const found = await stat(left).catch(() => undefined);
  if (found === undefined || !found.isDirectory() || pid === undefined) return false;
  if (host !== hostname()) return Date.now() - found.mtimeMs > foreignGoneMs;
  // A container's first process has the same number at each start.
  return Number(pid) === process.pid || !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Cuts a file after its last line break, and makes that durable. */
async function cutTornLine(path: string): Promise<{ bytes: number; torn: boolean }> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    let end = size;
    const tail = Buffer.alloc(tailBytes);
    let found = -1;
    while (end > 0 && found < 0) {
      const from = Math.max(0, end - tailBytes);
      const { bytesRead } = await file.read(tail, 0, end - from, from);
      found = tail.subarray(0, bytesRead).lastIndexOf(0x0a);
      if (found >= 0) found += from;
      else end = from;
    }
    const bytes = found + 1;
    if (bytes !== size) {
      await file.truncate(bytes);
      await file.sync();
    }
    return { bytes, torn: bytes !== size };
  } finally {
    await file.close();
  }
}
