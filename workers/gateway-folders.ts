import { cp, copyFile, mkdir, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';

const lastGood = 'last-good.json';
const folderName = /^process-([1-9]\d*)$/;

/** Where process `index` of the gateway keeps its files below `<home>/gateway`; the first one, or the only one, in there itself. */
export function processFolder(gatewayFolder: string, index: number): string {
  return index === 0 ? gatewayFolder : join(gatewayFolder, `process-${index}`);
}

/**
 * Gives a process that has not served yet what the first one served last (the state and its packages): while the registry is
 * away it would else refuse the requests that the processes beside it answer.
 */
export async function seedFolder(gatewayFolder: string, index: number): Promise<void> {
  const own = processFolder(gatewayFolder, index);
  if (index === 0 || (await isThere(join(own, lastGood))) || !(await isThere(join(gatewayFolder, lastGood)))) return;
  await mkdir(own, { recursive: true });
  // Not what the first one is writing right now: it is gone under that name in a moment.
  const filter = (source: string): boolean => !source.endsWith('.tmp');
  await cp(join(gatewayFolder, 'packages'), join(own, 'packages'), { recursive: true, filter });
  // Under its name last: a start that is broken off here is begun anew by the next.
  await copyFile(join(gatewayFolder, lastGood), join(own, `${lastGood}.tmp`));
  await rename(join(own, `${lastGood}.tmp`), join(own, lastGood));
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

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
