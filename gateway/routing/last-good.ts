import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Route, ServableVersion } from '../../activities/ports.js';
import type { Outcome } from '../../domain/outcome-history.js';

/** What a gateway served when all was well: enough to serve it again without Postgres and without the object store. */
export type LastGoodModel = { readonly route: Route; readonly versions: readonly ServableVersion[]; readonly outcomes: readonly Outcome[] };
export type LastGood = { readonly format: 1; readonly savedAtMs: number; readonly models: readonly LastGoodModel[] };

/** Reads the state kept in `folder`; null when there is none. Throws for one that cannot be read. */
export async function readLastGood(folder: string): Promise<LastGood | null> {
  const path = join(folder, 'last-good.json');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  const state = JSON.parse(text) as LastGood;
  if (state?.format !== 1 || !Array.isArray(state.models)) throw new Error(`${path} is of another format`);
  return state;
}

/** Writes the state whole, under a temporary name first, and on the disk before it gets its own. */
export async function writeLastGood(folder: string, models: readonly LastGoodModel[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const state: LastGood = { format: 1, savedAtMs: Date.now(), models };
  const own = join(folder, `last-good.${process.pid}.tmp`);
  await writeFile(own, JSON.stringify(state), { flush: true });
  await rename(own, join(folder, 'last-good.json'));
}
