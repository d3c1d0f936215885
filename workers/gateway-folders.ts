import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

const folderName = /^process-([1-9]\d*)$/;

/** Where process `index` of the gateway keeps its files below `<home>/gateway`; the first one, or the only one, in there itself. */
export function processFolder(gatewayFolder: string, index: number): string {
  return index === 0 ? gatewayFolder : join(gatewayFolder, `process-${index}`);
}

/**
 * Folders of processes that are started no more, since there are but `count` now, which process `index` is to take over: each
 * falls to one of those that are started.
 */
export async function leftFolders(gatewayFolder: string, { count, index }: { count: number; index: number }): Promise<string[]> {
  const names = await readdir(gatewayFolder).catch(() => []);
  return names
    .map((name) => Number(folderName.exec(name)?.[1] ?? 0))
    .filter((left) => left >= count && left % count === index)
    .sort((a, b) => a - b)
    .map((left) => processFolder(gatewayFolder, left));
}
