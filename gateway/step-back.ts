import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';

const niceness = 10;

/**
 * Has the event loop's thread go first when both want a core: it has many callers waiting, the thread that calls this has one
 * piece of work. On Linux a priority is a thread's own; elsewhere it would be the whole process's, and stays.
 */
export function stepBack(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), niceness);
  } catch {
    // Only fairness is lost.
  }
}
