import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * The digest of files and folders, by their names and contents, and of further words.
 * @param {{root: string, paths?: readonly string[], words?: readonly string[], leaveOut?: (path: string) => boolean}} inputs
 *   an absent path counts as absent, so that its coming changes the digest
 * @returns {string} 16 hexadecimal digits
 */
export function digestOf({ root, paths = [], words = [], leaveOut = () => false }) {
  const hash = createHash('sha256');
  for (const word of words) hash.update(word).update('\0');
  for (const path of paths) {
    for (const file of filesUnder(join(root, path), leaveOut)) {
      hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
    }
  }
  return hash.digest('hex').slice(0, 16);
}

/**
 * @param {string} path
 * @param {(path: string) => boolean} leaveOut
 * @returns {string[]} files in a fixed order
 */
function filesUnder(path, leaveOut) {
  if (!existsSync(path) || leaveOut(path)) return [];
  let entries;
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch {
    return [path];
  }
  return entries
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() || entry.isFile() ? filesUnder(join(path, entry.name), leaveOut) : []));
}
