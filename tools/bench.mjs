import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setUpOrExit } from './setup.mjs';

// `npm run bench:<name> -- <arguments>`: bundles bench/<name>.ts, which Node 20 cannot run as it is, and runs it.
const [name = '', ...args] = process.argv.slice(2);
const { places, build } = await setUpOrExit({ need: name === 'gateway' ? ['run', 'build', 'rivals'] : ['run', 'build'] });
const output = join(build, 'bench', `${name}.js`);
mkdirSync(join(build, 'bench'), { recursive: true });
const { build: bundle } = await import('esbuild');
await bundle({
  entryPoints: [join(places.root, 'bench', `${name}.ts`)],
  outfile: output,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  external: ['*.mjs'],
  logLevel: 'error',
});
process.env.PERENNIAL_ROOT = places.root;
process.env.PERENNIAL_TOOLS = places.tools;
process.env.PERENNIAL_BUILD = build;
process.argv = [process.execPath, output, ...args];
await import(pathToFileURL(output).href);
