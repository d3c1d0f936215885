import { spawnSync } from 'node:child_process';
import { SetUpFailure } from './failure.mjs';

const OLDEST = [3, 11];
const names = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python'];

/**
 * The Python that environments are made from: PERENNIAL_PYTHON, else the first on the PATH that is new enough.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {{command: string, version: string}}
 * @throws {SetUpFailure}
 */
export function findPython(env = process.env) {
  const asked = env.PERENNIAL_PYTHON;
  /** @type {string[]} */
  const tooOld = [];
  for (const command of asked ? [asked] : names) {
    const version = versionOf(command, env);
    if (version === undefined) continue;
    if (isNewEnough(version)) return { command, version };
    tooOld.push(`${command} is ${version}`);
  }
  const wanted = `Python ${OLDEST.join('.')} or newer`;
  throw new SetUpFailure({
    what: `${wanted} is needed`,
    why: tooOld.length > 0 ? tooOld.join(', ') : asked ? `PERENNIAL_PYTHON=${asked} cannot be run` : 'no python3 is on the PATH',
    todo: `install ${wanted} (Debian: apt-get install python3 python3-venv python3-pip, macOS: brew install python), or name one with PERENNIAL_PYTHON=/path/to/python3`,
  });
}

/**
 * @param {string} command
 * @param {NodeJS.ProcessEnv} env
 */
function versionOf(command, env) {
  const { stdout, status } = spawnSync(command, ['-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])'], { encoding: 'utf8', env });
  return status === 0 ? stdout.trim() : undefined;
}

/** @param {string} version */
function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST;
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}
