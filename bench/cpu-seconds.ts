import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts in hundredths of a second for every program, whatever the kernel's own tick. */
const ticksPerSecond = 100;

type Usage = { readonly pid: number; readonly parent: number; readonly own: number; readonly children: number };

/**
 * CPU seconds of processes, all their descendants, and those of their descendants that have ended and were waited for.
 * Null where there is no /proc.
 */
export function treeCpuSeconds(roots: readonly number[]): number | null {
  if (process.platform !== 'linux') return null;
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readUsage(Number(name)) ?? []);
  const members = new Set(roots);
  // Parents may have higher numbers than their children: look until nothing is added.
  for (let size = -1; size !== members.size;) {
    size = members.size;
    for (const { pid, parent } of all) if (members.has(parent)) members.add(pid);
  }
  return all.filter(({ pid }) => members.has(pid)).reduce((sum, { own, children }) => sum + own + children, 0) / ticksPerSecond;
}

/** CPU seconds of the children of this process that have ended. Null where there is no /proc. */
export function endedChildrenCpuSeconds(): number | null {
  const usage = process.platform === 'linux' ? readUsage(process.pid) : null;
  return usage === null ? null : usage.children / ticksPerSecond;
}

/** Null when it ended meanwhile. */
function readUsage(pid: number): Usage | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold anything; what counts comes after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const at = (index: number) => Number(fields[index]);
    return { pid, parent: at(1), own: at(11) + at(12), children: at(13) + at(14) };
  } catch {
    return null;
  }
}
