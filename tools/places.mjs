import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The clone's root, found upwards so that bundled code finds it too. */
export const root = findRoot(dirname(fileURLToPath(import.meta.url)));

/**
 * Where everything lies. `home` holds this world's data (PERENNIAL_HOME); `tools` holds what set-up
 * makes once and worlds share (PERENNIAL_TOOLS, otherwise the home), so that a test's own home
 * does not need a Python environment of its own. Relative paths count from the clone's root.
 * @param {NodeJS.ProcessEnv} [env]
 */
export function placesFor(env = process.env) {
  const home = resolve(root, env.PERENNIAL_HOME || '.perennial');
  const tools = env.PERENNIAL_TOOLS ? resolve(root, env.PERENNIAL_TOOLS) : home;
  return {
    root,
    home,
    tools,
    bin: join(tools, 'bin'),
    temporal: join(tools, 'bin', 'temporal'),
    testServer: join(tools, 'bin', 'temporal-test-server'),
    pythonEnvironment: join(tools, 'python'),
    python: join(tools, 'python', 'bin', 'python'),
    pythonTestEnvironment: join(tools, 'python-test'),
    pythonRivalsEnvironment: join(tools, 'python-rivals'),
    pythonConformanceEnvironment: join(tools, 'python-conformance'),
    pythonProxyEnvironment: join(tools, 'python-proxy'),
    pythonFrameworksEnvironment: join(tools, 'python-frameworks'),
    pythonTest: join(tools, 'python-test', 'bin', 'python'),
    bikeshare: join(tools, 'data', 'bikeshare', 'Bikeshare.csv'),
    builds: join(tools, 'build'),
    stamps: join(tools, 'stamps'),
    endpoints: join(home, 'endpoints.json'),
    postgres: join(home, 'postgres'),
    temporalHome: join(home, 'temporal'),
    logs: join(home, 'logs'),
  };
}

/** @typedef {ReturnType<typeof placesFor>} Places */

/** @param {string} start */
function findRoot(start) {
  for (let folder = start; ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'perennial') {
      return folder;
    }
    if (folder === dirname(folder)) throw new Error(`no package.json of perennial above ${start}`);
  }
}
