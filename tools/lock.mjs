import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { identify, isSame } from './processes.mjs';

const LOOK_MS = 100;

/**
 * Does something while no other process that asks for the same lock file does. A lock whose
 * holder has died, however it died, is taken over.
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} work
 * @param {{onWait?: (holderPid: number) => void}} [options] called once when another process holds it
 * @returns {Promise<T>}
 */
export async function withLock(file, work, { onWait = () => {} } = {}) {
  mkdirSync(dirname(file), { recursive: true });
  for (let told = false; !take(file); await delay(LOOK_MS)) {
    const holder = readHolder(file);
    if (holder !== undefined && !isSame(holder.process)) dropStale(file, holder.text);
    else if (holder !== undefined && !told) {
      onWait(holder.process.pid);
      told = true;
    }
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** @param {string} file */
function take(file) {
  // The file appears complete or not at all, so nobody reads a lock without a holder.
  const own = `${file}.${process.pid}`;
  writeFileSync(own, JSON.stringify(identify(process.pid)));
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(own, { force: true });
  }
}

/** @param {string} file */
function readHolder(file) {
  try {
    const text = readFileSync(file, 'utf8');
    return { text, process: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/**
 * @param {string} file
 * @param {string} stale
 */
function dropStale(file, stale) {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
    // Another waiter was faster and this is its live lock: give it back.
    if (readFileSync(aside, 'utf8') !== stale) linkSync(aside, file);
  } catch {
    // Somebody else dropped it.
  } finally {
    rmSync(aside, { force: true });
  }
}
