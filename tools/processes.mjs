import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { openLog } from './log-file.mjs';

/**
 * Whether a process runs (a zombie does not).
 * @param {number} pid
 */
export function isRunning(pid) {
  return identify(pid) !== undefined;
}

/**
 * What tells a process from a later one with the same number: its number, its start and its command.
 * @param {number} pid
 * @returns {{pid: number, started: string, command: string} | undefined} undefined when it does not run
 */
export function identify(pid) {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return process.platform === 'linux' ? identifyByProc(pid) : identifyByPs(pid);
}

/**
 * Whether the process that was identified earlier still runs.
 * @param {{pid: number, started: string} | undefined} earlier
 */
export function isSame(earlier) {
  return earlier !== undefined && identify(earlier.pid)?.started === earlier.started;
}

/**
 * Waits until the system has forgotten a process: one that has ended keeps its number until its parent takes note.
 * @param {number} pid
 * @param {number} withinMs
 */
export async function untilForgotten(pid, withinMs) {
  for (const end = Date.now() + withinMs; Date.now() < end && send(pid, 0); await delay(15));
}

/** How often a process that is nobody's child here is looked at. */
const LOOK_MS = 1_000;

/**
 * Waits for the end of a process and says it as the rest of a sentence: `ended with code 1`, `was ended by SIGKILL`. The
 * code of a process that another one started is not to be known.
 * @param {{pid: number, child?: import('node:child_process').ChildProcess | undefined}} process
 * @returns {Promise<string>}
 */
export async function untilEnded({ pid, child }) {
  if (child !== undefined) {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.signalCode === null ? `ended with code ${child.exitCode}` : `was ended by ${child.signalCode}`;
  }
  const identity = identify(pid);
  while (isSame(identity)) await delay(LOOK_MS, undefined, { ref: false });
  return 'ended (with a code that only its parent knows: it was running before this start)';
}

/**
 * Starts a program that outlives this one, apart from the terminal's Ctrl-C, its output in a file.
 * @param {{command: string, args: string[], logFile: string, env?: NodeJS.ProcessEnv, cwd?: string, uid?: number, gid?: number}} program
 * @returns {{child: import('node:child_process').ChildProcess, logFrom: number}} `logFrom` is where its output begins in the file
 */
export function startDetached({ command, args, logFile, env = process.env, cwd, uid, gid }) {
  const { descriptor: log, from } = openLog(logFile);
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', log, log],
    env,
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  });
  child.on('error', () => {});
  child.unref();
  closeSync(log);
  return { child, logFrom: from };
}

/**
 * Asks a process to end, waits, and then makes it end.
 * @param {{pid: number, signal?: NodeJS.Signals, last?: NodeJS.Signals, graceMs?: number}} end
 * @returns {Promise<boolean>} whether it is gone
 */
export async function endProcess({ pid, signal = 'SIGTERM', last = 'SIGKILL', graceMs = 8000 }) {
  if (!send(pid, signal)) return true;
  if (await isGone(pid, graceMs)) return true;
  send(pid, last);
  return isGone(pid, 5000);
}

/**
 * Waits until a process runs no more.
 * @param {number} pid
 * @param {number} withinMs
 * @returns {Promise<boolean>} whether it is gone
 */
export async function isGone(pid, withinMs) {
  for (const end = Date.now() + withinMs; Date.now() < end; await delay(15)) {
    if (!isRunning(pid)) return true;
  }
  return !isRunning(pid);
}

/**
 * @param {number} pid
 * @param {NodeJS.Signals | 0} signal
 */
function send(pid, signal) {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** @param {number} pid */
function identifyByProc(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold spaces, so fields are counted after the last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return { pid, started: fields[19] ?? '', command };
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function identifyByPs(pid) {
  const { stdout, status } = spawnSync('ps', ['-o', 'stat=,lstart=,command=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  const line = stdout?.trim();
  if (status !== 0 || !line || line.startsWith('Z')) return undefined;
  const [, started, command] = /^\S+\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)$/.exec(line) ?? [];
  return started === undefined ? undefined : { pid, started, command: command ?? '' };
}
