import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';

/**
 * `sha256:<hex>` over the trainers' sources and the pinned packages: what a trained model depends on besides data and
 * settings. Part of the key under which training steps are reused.
 */
export async function trainersDigest(trainersFolder: string): Promise<string> {
  const entries = await readdir(trainersFolder, { recursive: true, withFileTypes: true });
  const sources = entries
    .filter((entry) => entry.isFile() && (entry.name.endsWith('.py') || entry.name === 'requirements.txt'))
    .map((entry) => join(entry.parentPath, entry.name));
  const digest = createHash('sha256');
  for (const path of sources.toSorted()) {
    const content = await readFile(path);
    digest.update(`${relative(trainersFolder, path)}\0${content.length}\0`).update(content);
  }
  return `sha256:${digest.digest('hex')}`;
}
