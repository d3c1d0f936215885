import { InvalidArgumentError } from 'commander';
import { formatTime } from '../../domain/format.js';
import { readMoment } from '../api/moment.js';

/** A moment given on the command line, as epoch milliseconds; wrong usage names what is expected. */
export function momentOption(text: string): number {
  const timeMs = readMoment(text);
  if (timeMs === null) throw new InvalidArgumentError('a time such as 2011-11-01, 2011-11-01T02:00Z or epoch milliseconds is expected.');
  return timeMs;
}

/** A whole number of at least 1. */
export function countOption(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('a whole number of at least 1 is expected.');
  return count;
}

/** A number above zero. */
export function rateOption(text: string): number {
  const rate = Number(text);
  if (!(rate > 0) || !Number.isFinite(rate)) throw new InvalidArgumentError('a number above 0 is expected.');
  return rate;
}

/** Text that says something. */
export function filledOption(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('it must not be empty.');
  return text;
}

export const momentHelp = `ISO 8601, UTC when it names no zone (${formatTime(Date.UTC(2011, 10, 1)).slice(0, 10)}), or epoch milliseconds`;
