import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { SetUpFailure } from './failure.mjs';

const OLDEST_NODE = [20, 19];

/**
 * Refuses a Node that is too old.
 * @param {string} [version]
 */
export function checkNode(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new SetUpFailure({
    what: `Node ${OLDEST_NODE.join('.')} or newer is needed`,
    why: `this is Node ${version}`,
    todo: 'install a newer one from nodejs.org or with your version manager',
  });
}

/**
 * Refuses to begin what would fill the disk.
 * @param {{folder: string, megabytes: number, env?: NodeJS.ProcessEnv}} wish
 */
export function checkDisk({ folder, megabytes, env = process.env }) {
  const free = freeMegabytes(folder, env);
  if (free === undefined || free >= megabytes) return;
  throw new SetUpFailure({
    what: `${gigabytes(megabytes)} of free disk are needed`,
    why: `where ${folder} lies, ${gigabytes(free)} are free`,
    todo: 'free some space, or put everything elsewhere with PERENNIAL_HOME=/path',
  });
}

/**
 * @param {string} folder
 * @param {NodeJS.ProcessEnv} env
 */
function freeMegabytes(folder, env) {
  let existing = folder;
  while (!existsSync(existing) && existing !== dirname(existing)) existing = dirname(existing);
  const { stdout, status } = spawnSync('df', ['-Pk', existing], { encoding: 'utf8', env: { ...env, LC_ALL: 'C' } });
  const available = Number(stdout?.trim().split('\n').at(-1)?.trim().split(/\s+/)[3]);
  return status === 0 && Number.isFinite(available) ? Math.floor(available / 1024) : undefined;
}

/** @param {number} megabytes */
function gigabytes(megabytes) {
  return `${(megabytes / 1000).toFixed(1)} GB`;
}
