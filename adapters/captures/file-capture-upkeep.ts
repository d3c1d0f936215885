import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CaptureFileUpkeep } from '../../activities/upkeep-ports.js';
import { onDisk } from '../objects/object-failures.js';
import { captureVariants, readCaptureFileName } from './capture-file-name.js';

/** Files of one call. */
const filesAtOnce = 1_000;

/** Removes old files of captured requests below a folder, and the folders that are empty then. Anything else there stays. */
export function openFileCaptureUpkeep(folder: string): CaptureFileUpkeep {
  return {
    removeBefore: (model, beforeMs) =>
      onDisk(folder, async () => {
        let removed = 0;
        for (const variant of captureVariants)
          removed += await removeOld({ folder, beforeMs, limit: filesAtOnce - removed }, [model, variant]);
        return removed;
      }),
  };
}

type Removal = { readonly folder: string; readonly beforeMs: number; readonly limit: number };

/** Below `<model>/<variant>[/yyyy[/mm[/dd[/hh]]]]`, the oldest first. */
async function removeOld(removal: Removal, at: readonly string[]): Promise<number> {
  const { folder, beforeMs, limit } = removal;
  let removed = 0;
  for (const name of await namesIn(join(folder, ...at))) {
    if (removed >= limit) return removed;
    const below = [...at, name];
    if (at.length === 6) {
      const found = readCaptureFileName(below.join('/'));
      if (found === null || found.beganMs >= beforeMs) continue;
      await rm(join(folder, ...below), { force: true });
      removed++;
    } else if (/^\d+$/.test(name) && beginOf(below.slice(2)) < beforeMs) {
      removed += await removeOld({ ...removal, limit: limit - removed }, below);
      // Only what is empty goes.
      await rmdir(join(folder, ...below)).catch(() => undefined);
    }
  }
  return removed;
}

/** When the year, month, day or hour of a folder begins. */
function beginOf([year = 0, month = 1, day = 1, hour = 0]: readonly (string | number)[]): number {
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour));
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}
