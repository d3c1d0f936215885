import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PerennialError } from '../../domain/errors.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import { type DataDeps, identifier, literal } from './data-deps.js';

/** A source file on this machine, under the view name of the definition. */
export type SourceFile = { readonly view: string; readonly path: string; readonly digest: string };

/**
 * Finds (or fetches into `folder`) the files of a definition and digests them: a changed file is other data.
 * `Unavailable` names the file that cannot be reached.
 */
export async function openSources(deps: DataDeps, definition: TrainedDefinition, folder: string): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  for (const [view, address] of Object.entries(definition.source.files)) {
    const path = address.startsWith('s3://')
      ? await fetched(deps, address, join(folder, `${view}${/\.[a-z]+$/.exec(address)?.[0] ?? ''}`))
      : join(deps.dataFolder, address);
    try {
      await access(path, constants.R_OK);
      const hash = createHash('sha256');
      await pipeline(createReadStream(path), hash);
      files.push({ view, path, digest: `sha256:${hash.digest('hex')}` });
    } catch (cause) {
      throw new PerennialError(
        'Unavailable',
        `source file ${view} (${address}) of ${definition.name} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}; put it there, or correct source.files`,
        { cause, details: { view, address } },
      );
    }
  }
  return files;
}

/** The statement that makes a file readable under its view name. Every row of a CSV is looked at to find its types. */
export function viewStatement({ view, path }: SourceFile): string {
  const table = path.endsWith('.csv') ? `read_csv(${literal(path)}, header = true, sample_size = -1)` : `read_parquet(${literal(path)})`;
  return `CREATE VIEW ${identifier(view)} AS SELECT * FROM ${table}`;
}

async function fetched(deps: DataDeps, address: string, path: string): Promise<string> {
  if (deps.sourceFiles === undefined) {
    throw new PerennialError(
      'DataInvalid',
      `source file ${address}: this environment has no S3 to read sources from; set it up, or name a file below the data folder`,
    );
  }
  await deps.sourceFiles.fetch(address, path);
  return path;
}
