import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ObjectRef } from '../../contracts/artifacts.js';
import type { ObjectStore, OutcomeStore, SourceFiles, StepCache, TableSession, Tables } from '../ports.js';

/** What the data activities need from outside. */
export type DataDeps = {
  readonly objects: ObjectStore;
  readonly outcomes: OutcomeStore;
  readonly cache: StepCache;
  readonly tables: Tables;
  /** Source files of definitions lie below this folder. */
  readonly dataFolder: string;
  /** A folder on local disk for files that live as long as one activity. */
  readonly scratchFolder: string;
  /** Wall time, epoch milliseconds: nothing can have happened after it. */
  readonly nowMs: () => number;
  /** Fetches `s3://` sources; without it they are refused. */
  readonly sourceFiles?: SourceFiles;
};

export const parquetType = 'application/vnd.apache.parquet';

/** One activity's place to work: an own folder, gone afterwards, and a table session that sees it (and `folders`). */
export async function withScratch<T>(
  deps: Pick<DataDeps, 'tables' | 'scratchFolder'>,
  folders: readonly string[],
  use: (scratch: { folder: string; session: TableSession }) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(deps.scratchFolder, 'data-'));
  try {
    return await deps.tables.session([folder, ...folders], (session) => use({ folder, session }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Copies a stored Parquet table into the folder; answers the SQL that reads it. */
export async function openTable(deps: Pick<DataDeps, 'objects'>, folder: string, object: ObjectRef): Promise<string> {
  const path = join(folder, `${object.digest.replace(':', '-')}.parquet`);
  await deps.objects.getFile(object.digest, path);
  return `read_parquet(${literal(path)})`;
}

/** An SQL identifier. */
export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
/** An SQL text literal. */
export const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`;
/** Epoch milliseconds as an SQL timestamp. */
export const timestamp = (ms: number): string => `make_timestamp(${Math.round(ms)}::BIGINT * 1000)`;
