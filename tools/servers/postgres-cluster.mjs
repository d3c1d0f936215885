import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cannotStart, lastLine } from './postgres-failure.mjs';
import { identityOf } from './postgres-owner.mjs';
import { programEnvironment } from './postgres-programs.mjs';

/**
 * Makes an empty database cluster whose only user has a new password; all of it is there afterwards, or nothing.
 * @param {{owner: import('./postgres-owner.mjs').PostgresOwner, data: string}} place
 */
export async function createCluster({ owner, data }) {
  const unfinished = `${data}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  const password = randomBytes(18).toString('base64url');
  const passwordFile = join(owner.folder, 'password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (owner.uid !== undefined && owner.gid !== undefined) chownSync(passwordFile, owner.uid, owner.gid);
  const made = await run(
    join(owner.native, 'bin', 'initdb'),
    [
      `--pgdata=${unfinished}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
    ],
    { ...identityOf(owner), cwd: owner.folder, env: programEnvironment() },
  );
  if (made.error !== null) throw cannotStart(`initdb: ${lastLine(made.stderr) || made.error.message}`, owner.folder, made.error);
  // Weeks of model time are commits in a few minutes: fewer, larger checkpoints keep the disk quiet.
  writeFileSync(join(unfinished, 'postgresql.auto.conf'), 'max_wal_size = 2GB\nmax_connections = 200\njit = off\n');
  renameSync(unfinished, data);
}

/**
 * Runs a program to its end without holding up this one, which tells a person meanwhile that it goes on.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').ExecFileOptions} options
 * @returns {Promise<{error: Error | null, stderr: string}>}
 */
function run(command, args, options) {
  return new Promise((resolve) => {
    execFile(command, args, { ...options, encoding: 'utf8' }, (error, _stdout, stderr) => resolve({ error, stderr }));
  });
}
