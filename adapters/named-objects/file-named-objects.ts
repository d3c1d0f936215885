import { createReadStream } from 'node:fs';
import { mkdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { NamedObjects } from '../../activities/ports.js';
import { replaceFile } from '../objects/hashed-copy.js';
import { onDisk } from '../objects/object-failures.js';
import { absent, elsewhere, tooLarge } from './named-object-failures.js';

/** Named files below a folder, as `file://` locations. Links that lead out of it are not followed. */
export function openFileNamedObjects(folder: string): NamedObjects {
  const root = resolve(folder);
  const place = pathToFileURL(`${root}${sep}`).href;
  return {
    location: (name) => pathToFileURL(join(root, name)).href,

    async getFile(location, path, maxBytes) {
      const asked = pathOf(location);
      if (asked === null || !asked.startsWith(root + sep)) throw elsewhere(location, place);
      await onDisk(root, () => mkdir(root, { recursive: true }));
      const [real, realRoot] = await Promise.all([realpath(asked).catch(() => null), onDisk(root, () => realpath(root))]);
      if (real === null) throw absent(location);
      if (!real.startsWith(realRoot + sep)) throw elsewhere(location, place);
      const found = await onDisk(real, () => stat(real));
      if (!found.isFile()) throw absent(location);
      if (found.size > maxBytes) throw tooLarge(location, { bytes: found.size, maxBytes });
      await onDisk(path, () => replaceFile(createReadStream(real, { end: maxBytes }), { path, mode: 0o600, check: () => undefined }));
    },

    putFile: (name, path) =>
      onDisk(root, async () => {
        const target = join(root, name);
        await mkdir(dirname(target), { recursive: true });
        await replaceFile(createReadStream(path), { path: target, mode: 0o644, check: () => undefined });
      }),
  };
}

function pathOf(location: string): string | null {
  try {
    return location.startsWith('file://') ? resolve(fileURLToPath(location)) : null;
  } catch {
    return null;
  }
}
