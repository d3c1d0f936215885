import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SetUpFailure } from '../failure.mjs';

/**
 * Who runs Postgres and where its data and programs lie. Postgres refuses to run as root, so root
 * hands it to the user `postgres`, and the data to a folder that this user can reach: often not
 * the home, because /root and the like cannot be entered by others.
 * @typedef {{uid?: number, gid?: number, folder: string, native: string}} PostgresOwner
 */

/**
 * @param {{home: string, native: string}} wish the folder wished for, and the folder with bin, lib and share
 * @returns {PostgresOwner}
 */
export function postgresOwner({ home, native }) {
  if (process.getuid?.() !== 0) {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    return { folder: home, native };
  }
  const user = systemUser();
  const folder = reachableFolder(home, user);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chownSync(folder, user.uid, user.gid);
  const runnable = may(user, '-x', join(native, 'bin', 'postgres')) ? native : copyPrograms(native);
  return { ...user, folder, native: runnable };
}

/**
 * The user that a program of Postgres is to run as, as options of `spawn`.
 * @param {PostgresOwner} owner
 */
export function identityOf({ uid, gid }) {
  return uid === undefined || gid === undefined ? {} : { uid, gid };
}

/** @typedef {{uid: number, gid: number}} User */

/** @returns {User} */
function systemUser() {
  const known = findUser();
  if (known !== undefined) return known;
  spawnSync('useradd', ['--system', '--user-group', '--no-create-home', 'postgres']);
  const created = findUser();
  if (created !== undefined) return created;
  throw new SetUpFailure({
    what: 'Postgres cannot be started as root',
    why: 'there is no user `postgres`, and `useradd` could not create one',
    todo: 'run this as an ordinary user, create the user `postgres`, or set DATABASE_URL to a running server',
  });
}

/** @returns {User | undefined} */
function findUser() {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('postgres:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

/**
 * @param {string} home
 * @param {User} user
 */
function reachableFolder(home, user) {
  mkdirSync(join(home, '..'), { recursive: true });
  if (may(user, '-x', join(home, '..'))) return home;
  return join('/var/lib', `perennial-${createHash('sha256').update(home).digest('hex').slice(0, 12)}`);
}

/**
 * Asked as that user, so that access lists and mount options count too.
 * @param {User} user
 * @param {'-x' | '-r'} access
 * @param {string} path
 */
function may(user, access, path) {
  return spawnSync('/usr/bin/env', ['test', access, path], { ...user, cwd: '/' }).status === 0;
}

/** @param {string} native */
function copyPrograms(native) {
  const manifest = readFileSync(join(native, '..', 'package.json'));
  const version = createHash('sha256').update(native).update(manifest).digest('hex').slice(0, 12);
  const copy = join('/var/lib', `perennial-postgres-${version}`);
  if (!existsSync(copy)) {
    const unfinished = `${copy}.${process.pid}.new`;
    rmSync(unfinished, { recursive: true, force: true });
    cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
    renameSync(unfinished, copy);
  }
  return copy;
}
