import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A process as it is known after its starter died: the number alone is given again to others. */
export type ProcessIdentity = { readonly pid: number; readonly started: string };

/** When a process started, in the system's own words (equal only for the same process), or null when it does not run. */
export async function startedAt(pid: number): Promise<string | null> {
  if (!Number.isInteger(pid) || pid <= 0) return null;
  return process.platform === 'linux' ? startedByProc(pid) : startedByPs(pid);
}

/** Whether this very process runs; a zombie does not. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await startedAt(identity.pid)) === identity.started;
}

async function startedByProc(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold spaces, so fields are counted after the last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

async function startedByPs(pid: number): Promise<string | null> {
  try {
    const { stdout } = await run('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { env: { PATH: '/bin:/usr/bin', LC_ALL: 'C' } });
    const [, state = '', started = ''] = /^(\S+)\s+(.*?)\s*$/.exec(stdout.trim()) ?? [];
    return state === '' || state.startsWith('Z') ? null : started;
  } catch {
    return null;
  }
}
