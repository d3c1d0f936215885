import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Route, ServableVersion } from '../../activities/ports.js';
import type { Outcome } from '../../domain/outcome-history.js';

/** What a gateway served when all was well: enough to serve it again without Postgres and without the object store. */
export type LastGoodModel = { readonly route: Route; readonly versions: readonly ServableVersion[]; readonly outcomes: readonly Outcome[] };
export type LastGood = { readonly format: 1; readonly savedAtMs: number; readonly models: readonly LastGoodModel[] };

/** Reads the state kept in `folder`; null when there is none or it cannot be read. */
export async function readLastGood(folder: string): Promise<LastGood | null> {
  try {
    const state = JSON.parse(await readFile(join(folder, 'last-good.json'), 'utf8')) as LastGood;
    return state.format === 1 ? state : null;
  } catch {
    return null;
  }
}

/** Writes the state whole, under a temporary name first. */
export async function writeLastGood(folder: string, models: readonly LastGoodModel[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const state: LastGood = { format: 1, savedAtMs: Date.now(), models };
  const own = join(folder, `last-good.${process.pid}.tmp`);
  await writeFile(own, JSON.stringify(state));
  await rename(own, join(folder, 'last-good.json'));
}
