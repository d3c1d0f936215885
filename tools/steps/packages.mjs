import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../digest.mjs';
import { readJson } from '../json-file.mjs';

/**
 * npm's packages, by the lockfile. No package's install script runs: none of ours needs one
 * (servers/postgres-programs.mjs links Postgres's libraries).
 * @type {import('./step.mjs').Step}
 */
export const packages = {
  name: 'npm packages',
  why: 'npm ci puts what package-lock.json names into node_modules',
  megabytes: 1500,
  source: 'an npm package',
  reach: 'npm config get registry',
  // Tests already run out of node_modules: it must not be taken from under them.
  isWanted: ({ need }) => need.has('run') || need.has('build'),
  digest: ({ places }) => digestOf({ root: places.root, paths: ['package-lock.json'] }),
  isThere: ({ places }) => isInstalled(places.root),
  async make({ places, env, run, detail }) {
    await run({
      command: 'npm',
      args: [
        'ci',
        '--ignore-scripts',
        '--no-audit',
        '--no-fund',
        '--fetch-retries=3',
        '--fetch-retry-mintimeout=1000',
        '--fetch-retry-maxtimeout=5000',
      ],
      cwd: places.root,
      env: { ...env, ONNXRUNTIME_NODE_INSTALL_CUDA: 'skip' },
      onLine: (line) => detail(line.replace(/^npm /, '')),
    });
  },
};

/**
 * Whether node_modules holds what the lockfile names, whoever installed it: npm writes down what it
 * installed, without what other platforms would need.
 * @param {string} root
 */
function isInstalled(root) {
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const installed = readJson(record)?.packages ?? {};
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, entry]) =>
      path === '' || entry.version === installed[path]?.version || (installed[path] === undefined && entry.optional === true),
  );
}
