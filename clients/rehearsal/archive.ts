import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PerennialError } from '../../domain/errors.js';
import { readJson, writeJson } from '../../tools/json-file.mjs';
import { stopPostgres } from '../../tools/servers/postgres.mjs';
import { stopTemporal } from '../../tools/servers/temporal.mjs';
import { ProcessRecord } from '../cli/up/process-record.js';
import type { World } from '../cli/up/world.js';

/** What makes a world; tools, data, keys and the token stay. */
const worldly = ['temporal', 'objects', 'gateway', 'jobs', 'scratch', 'logs', 'rehearsal.json', 'endpoints.json'] as const;

/**
 * Puts the world aside, so that the next start begins a new one: its processes and servers are stopped, and its folders
 * moved to `archive/<time>`. Answers where it lies now, or null when there was none.
 */
export async function archiveWorld(world: World): Promise<string | null> {
  const record = new ProcessRecord(world.record);
  record.refuseSecond();
  refuseTheirs(world);
  await record.stopLeftovers();
  await Promise.all([stopPostgres({ folder: world.postgres }), stopTemporal({ folder: world.temporalHome })]);
  const present = worldly.map((name) => join(world.home, name)).filter(existsSync);
  const postgresRecord = `${world.postgres}.json`;
  if (present.length === 0 && !existsSync(postgresRecord)) return null;
  const archive = join(world.home, 'archive', new Date().toISOString().slice(0, 19).replaceAll(':', '-'));
  mkdirSync(archive, { recursive: true, mode: 0o700 });
  for (const path of present) renameSync(path, join(archive, basename(path)));
  archivePostgres(postgresRecord, archive);
  return archive;
}

/** As root, Postgres's data may lie outside the home, on another disk even: then they are renamed where they are. */
function archivePostgres(recordFile: string, archive: string): void {
  const at = (readJson(recordFile) as { folder?: string } | undefined)?.folder;
  if (at === undefined || !existsSync(at)) return;
  const inside = join(archive, 'postgres');
  try {
    renameSync(at, inside);
    writeJson(join(archive, 'postgres.json'), { folder: inside });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    const beside = join(dirname(at), `${basename(at)}-${basename(archive)}`);
    renameSync(at, beside);
    writeJson(join(archive, 'postgres.json'), { folder: beside });
  }
  rmSync(recordFile);
}

function refuseTheirs({ env }: World): void {
  const theirs = ['DATABASE_URL', 'TEMPORAL_ADDRESS'].filter((name) => (env[name] ?? '') !== '');
  if (theirs.length === 0) return;
  throw new PerennialError(
    'Conflict',
    `A new world cannot be begun: ${theirs.join(' and ')} name${theirs.length === 1 ? 's' : ''} a server that is not ours to empty. Unset ${theirs.length === 1 ? 'it' : 'them'}, or give a new database and namespace and start without --fresh and --once.`,
    { details: { theirs } },
  );
}
