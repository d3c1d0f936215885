import { spawn } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import { join } from 'node:path';
import { describeFailure } from './failure.mjs';
import { sourceFolders } from './entry-points.mjs';
import { root } from './places.mjs';
import { setUp, setUpOrExit } from './setup.mjs';

// `npm run dev -- <arguments of perennial up>`: bundles again and restarts when a source changes.
const SETTLE_MS = 300;

await setUpOrExit();
let child = start();
let ending = false;
/** @type {NodeJS.Timeout | undefined} */
let settling;
let restarting = Promise.resolve();

for (const folder of sourceFolders) {
  if (!existsSync(join(root, folder))) continue;
  watch(join(root, folder), { recursive: true }, () => {
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
    if (child.exitCode === null) child.kill(signal);
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
    const { made } = await setUp();
    if (made.length === 0) return;
  } catch (error) {
    // The running stack stays until the sources can be bundled again.
    process.stderr.write(`${describeFailure(error)}\n`);
    return;
  }
  process.stderr.write('Sources changed: restarting\n');
  const old = child;
  if (old.exitCode === null) {
    const gone = new Promise((resolve) => old.once('exit', resolve));
    old.kill('SIGINT');
    await gone;
  }
  if (!ending) child = start();
}
