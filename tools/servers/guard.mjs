import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { removePostgres } from './postgres.mjs';
import { stopTemporal } from './temporal.mjs';

/**
 * Watches over throw-away servers: when this process ends, in whatever way, a process of its own
 * stops the servers of that folder and removes it.
 * @param {string} folder holds `postgres` and `temporal`
 * @returns {() => Promise<void>} does it now
 */
export function guard(folder) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.unref();
  return async () => {
    child.stdin.end();
    await ended;
  };
}

/** @param {string} folder */
async function cleanUp(folder) {
  await Promise.allSettled([removePostgres({ folder: join(folder, 'postgres') }), stopTemporal({ folder: join(folder, 'temporal') })]);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

const folder = process.argv[2];
if (process.argv[1] === fileURLToPath(import.meta.url) && folder !== undefined) {
  // The pipe's other end closes with the process that started us; nothing is ever written to it.
  process.stdin.resume();
  process.stdin.once('close', () => void cleanUp(folder));
}
