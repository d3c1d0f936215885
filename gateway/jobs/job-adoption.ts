import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../log.js';
import { reasonOf } from '../log.js';

/**
 * Takes over the jobs of processes that are started no more: `left` are their folders, `own` is where this process keeps its
 * jobs. A job moves whole, by one rename, so of several that look at once one gets it. A folder whose jobs are all taken goes
 * with what else is in it (packages and the last good state, which the registry has too).
 */
export async function adoptJobs({ left, own, log }: { left: readonly string[]; own: string; log: Log }): Promise<void> {
  for (const folder of left) {
    try {
      const adopted = await moveJobs(join(folder, 'jobs'), { own, log });
      await rm(folder, { recursive: true, force: true });
      log({ level: 'info', event: 'jobsAdopted', folder, jobs: adopted });
    } catch (error) {
      // They lie where they were, and the next start tries again.
      log({ level: 'error', event: 'jobsNotAdopted', folder, reason: reasonOf(error) });
    }
  }
}

async function moveJobs(from: string, { own, log }: { own: string; log: Log }): Promise<number> {
  const ids = await readdir(from).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (ids.length > 0) await mkdir(own, { recursive: true });
  let moved = 0;
  for (const id of ids) {
    try {
      await rename(join(from, id), join(own, id));
      moved++;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOTEMPTY' || code === 'EEXIST') log({ level: 'error', event: 'jobKnownTwice', job: id, kept: own });
      else if (code !== 'ENOENT') throw error;
    }
  }
  return moved;
}
