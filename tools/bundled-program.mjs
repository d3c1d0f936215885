import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { nodeBundle } from './node-bundle.mjs';
import { setUpOrExit } from './setup.mjs';

/**
 * Sets up what a program in TypeScript needs, bundles it, which Node 20 cannot run as it is, and runs it in this process.
 * @param {{source: string, args: readonly string[], need: readonly import('./steps/step.mjs').Need[]}} program `source` counts from the clone's root
 */
export async function runBundled({ source, args, need }) {
  const { places, build } = await setUpOrExit({ need: ['run', 'build', ...need] });
  const output = join(build, source.replace(/\.ts$/, '.js'));
  mkdirSync(dirname(output), { recursive: true });
  const { build: bundle } = await import('esbuild');
  await bundle({
    entryPoints: [join(places.root, source)],
    outfile: output,
    ...nodeBundle,
    external: ['*.mjs'],
    logLevel: 'error',
  });
  process.env.PERENNIAL_ROOT = places.root;
  process.env.PERENNIAL_TOOLS = places.tools;
  process.env.PERENNIAL_BUILD = build;
  process.argv = [process.execPath, output, ...args];
  await import(pathToFileURL(output).href);
}
