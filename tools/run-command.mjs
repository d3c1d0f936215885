import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { readJson, writeJson } from './json-file.mjs';
import { identify, isGone, isSame } from './processes.mjs';

/** A command that ended badly, with its last lines. */
export class CommandFailure extends Error {
  /** @param {{command: string, status: number | null, output: string}} parts */
  constructor({ command, status, output }) {
    super(`${command} ended with ${status ?? 'a signal'}: ${output.trim().split('\n').slice(-4).join(' / ')}`);
    this.name = 'CommandFailure';
    this.output = output;
  }
}

const KEPT_LINES = 300;
/** How long a killed command may take to be gone. */
const GONE_MS = 5_000;

/**
 * Runs commands of one set-up. Each has a process group of its own that is written down, so that
 * the next set-up can end what a killed one left running (two `npm ci` would spoil one folder).
 * @param {{record: string, signal: AbortSignal}} options
 */
export function createRunner({ record, signal }) {
  /** @type {Map<number, {pid: number, started: string}>} */
  const running = new Map();
  const write = () => writeJson(record, [...running.values()]);

  /** Ends what an earlier, killed set-up left running. */
  async function endLeftovers() {
    for (const leftover of readJson(record) ?? []) {
      if (!isSame(leftover)) continue;
      endGroup(leftover.pid);
      await isGone(leftover.pid, GONE_MS);
    }
    write();
  }

  /**
   * @param {{command: string, args: readonly string[], cwd?: string, env?: NodeJS.ProcessEnv, onLine?: (line: string) => void}} wish
   * @returns {Promise<string>} what it printed last, both streams together
   * @throws {CommandFailure}
   */
  async function run({ command, args, cwd, env = process.env, onLine = () => {} }) {
    signal.throwIfAborted();
    const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env, ...(cwd === undefined ? {} : { cwd }) });
    const pid = child.pid;
    const identity = pid === undefined ? undefined : identify(pid);
    if (pid !== undefined && identity !== undefined) {
      running.set(pid, identity);
      write();
    }
    const stop = () => pid !== undefined && endGroup(pid);
    signal.addEventListener('abort', stop);
    /** @type {string[]} */
    const last = [];
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        last.push(line);
        if (last.length > KEPT_LINES) last.shift();
        onLine(line);
      });
    }
    try {
      const status = await new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once('close', resolve);
      });
      signal.throwIfAborted();
      if (status !== 0) throw new CommandFailure({ command, status, output: last.join('\n') });
      return last.join('\n');
    } finally {
      signal.removeEventListener('abort', stop);
      if (pid !== undefined && running.delete(pid)) write();
    }
  }

  return { run, endLeftovers };
}

/** @param {number} pid */
function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
