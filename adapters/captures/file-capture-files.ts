import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CaptureFiles } from '../../activities/ports.js';
import { replaceFile } from '../objects/hashed-copy.js';
import { onDisk } from '../objects/object-failures.js';
import { syncFolder } from '../objects/sync-folder.js';

/**
 * Captured requests as files below a folder. A file comes by a rename, so readers find it whole or not at all, and its name
 * is durable when `put` answers.
 */
export function openFileCaptureFiles(folder: string): CaptureFiles {
  return {
    put: (name, path) =>
      onDisk(folder, async () => {
        const target = join(folder, name);
        await mkdir(dirname(target), { recursive: true });
        try {
          await rename(path, target);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
          // Another disk: copied beside its place first.
          await replaceFile(createReadStream(path), { path: target, mode: 0o600, check: () => undefined });
          await rm(path);
        }
        await syncFolder(dirname(target));
      }),

    diskUse: () =>
      onDisk(folder, async () => {
        await mkdir(folder, { recursive: true });
        const { blocks, bfree, bavail } = await statfs(folder);
        // As df has it: what is kept for the administrator counts neither as used nor as free.
        const used = blocks - bfree;
        return used + bavail === 0 ? 0 : used / (used + bavail);
      }),
  };
}
