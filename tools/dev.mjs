import { spawn } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import { join } from 'node:path';
import { describeFailure } from './failure.mjs';
import { sourceFolders } from './entry-points.mjs';
import { root } from './places.mjs';
import { setUp, setUpOrExit } from './setup.mjs';

// `npm run dev -- <arguments of perennial up>`: bundles again and restarts when a source changes.
const SETTLE_MS = 300;
/** Read as they are by every training, but digested once, when a worker starts. */
const TRAINERS = 'trainers';

// A reader of the output that Ctrl-C ends first (`| tee`) must not end this before the stack is down.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

let { build } = await setUpOrExit();
let trainersChanged = false;
let child = start();
let ending = false;
/** @type {NodeJS.Timeout | undefined} */
let settling;
let restarting = Promise.resolve();

for (const folder of [...sourceFolders, TRAINERS]) {
  if (!existsSync(join(root, folder))) continue;
  watch(join(root, folder), { recursive: true }, (_event, path) => {
    // Python leaves these by itself.
    if (path?.includes('__pycache__')) return;
    if (folder === TRAINERS) trainersChanged = true;
    clearTimeout(settling);
    settling = setTimeout(() => {
      restarting = restarting.then(restart);
    }, SETTLE_MS);
  });
}

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.on(signal, () => {
    ending = true;
    clearTimeout(settling);
    if (runs(child)) child.kill(signal);
    else process.exit(0);
  });
}

function start() {
  const started = spawn(process.execPath, [join(root, 'perennial'), 'up', ...process.argv.slice(2)], { stdio: 'inherit', detached: true });
  started.on('exit', (status) => {
    if (ending) process.exit(status ?? 0);
  });
  return started;
}

async function restart() {
  try {
    const now = await setUp();
    // Sources that are again what runs need no restart; others do, also when they were bundled before.
    if (now.build === build && !trainersChanged && runs(child)) return;
    build = now.build;
    trainersChanged = false;
  } catch (error) {
    process.stderr.write(`${describeFailure(error)}\n`);
    if (runs(child)) process.stderr.write('What runs goes on as it was, until the sources can be bundled again\n');
    return;
  }
  if (ending) return;
  process.stderr.write('Sources changed: restarting\n');
  const old = child;
  if (runs(old)) {
    const gone = new Promise((resolve) => old.once('exit', resolve));
    old.kill('SIGINT');
    await gone;
  }
  if (!ending) child = start();
}

/** @param {import('node:child_process').ChildProcess} process */
function runs({ exitCode, signalCode }) {
  return exitCode === null && signalCode === null;
}
