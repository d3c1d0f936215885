import { SetUpFailure } from '../failure.mjs';
import { readLog } from '../log-file.mjs';

/** Everything else that is said then follows from it. */
const FULL = /No space left on device|ENOSPC/;

/** What it answers to those who ask whether it is ready: no reason for anything. */
const NOT_YET = /the database system is (starting up|not yet accepting|in recovery|shutting down)/;

/**
 * What Postgres said last that tells what is wrong; empty when it said nothing.
 * @param {string} logFile
 * @param {number} from size of the log before its start
 */
export function lastWords(logFile, from) {
  const lines = readLog(logFile, from).split('\n');
  return lastLine(lines.filter((line) => !NOT_YET.test(line)).join('\n'));
}

/**
 * The line that tells most of what a program of Postgres printed.
 * @param {string | undefined} text
 */
export function lastLine(text) {
  const lines = (text ?? '').trim().split('\n');
  return (
    lines.findLast((line) => FULL.test(line)) ??
    lines.findLast((line) => /FATAL|PANIC|error/i.test(line)) ??
    lines.at(-1) ??
    ''
  ).trim();
}

/**
 * @param {string} why
 * @param {string} where
 * @param {unknown} [cause]
 */
export function cannotStart(why, where, cause) {
  return new SetUpFailure({
    what: 'Postgres could not be started',
    why,
    todo: FULL.test(why)
      ? `free some space where ${where} lies, or put everything elsewhere with PERENNIAL_HOME=/path`
      : `read ${where}, or set DATABASE_URL to a running Postgres 15 or newer`,
    ...(cause === undefined ? {} : { cause }),
  });
}
