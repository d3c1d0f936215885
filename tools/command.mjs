import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describeFailure, SetUpFailure } from './failure.mjs';
import { setUpOrExit } from './setup.mjs';

const PROGRAM = 'clients/cli/main.js';

/**
 * Sets up what is missing, silently when nothing is, and runs `perennial` with these arguments in this process.
 * The program learns from variables where things lie: PERENNIAL_ROOT, PERENNIAL_HOME, PERENNIAL_TOOLS, PERENNIAL_BUILD,
 * and PERENNIAL_SETUP_SECONDS, what set-up took.
 * @param {readonly string[]} args
 */
export async function runCommandLine(args) {
  const { places, build, made, seconds } = await setUpOrExit();
  if (made.length > 0) process.stderr.write(`Set up in ${seconds.toFixed(1)} s\n`);
  const program = join(build, PROGRAM);
  if (!existsSync(program)) {
    const failure = new SetUpFailure({
      what: 'The command line cannot be run',
      why: `${PROGRAM} is not among the bundles in ${build}`,
      todo: 'remove that folder and start again',
    });
    process.stderr.write(`${describeFailure(failure)}\n`);
    process.exit(1);
  }
  process.env.PERENNIAL_ROOT = places.root;
  process.env.PERENNIAL_HOME = places.home;
  process.env.PERENNIAL_TOOLS = places.tools;
  process.env.PERENNIAL_BUILD = build;
  process.env.PERENNIAL_SETUP_SECONDS = seconds.toFixed(1);
  process.argv = [process.execPath, join(places.root, 'perennial'), ...args];
  await import(pathToFileURL(program).href);
}
