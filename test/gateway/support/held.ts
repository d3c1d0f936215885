import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What this process holds after a collection: resident and JavaScript memory in bytes, open files, threads, and what the event loop waits for. */
export type Held = {
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
  readonly files: number;
  readonly threads: number;
  readonly resources: number;
};

/** Looks after a few collections and turns, so that what was let go of is gone. Files and threads are 0 where there is no /proc. */
export async function held(): Promise<Held> {
  for (let i = 0; i < 4; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  const count = (folder: string): number => (process.platform === 'linux' ? readdirSync(folder).length : 0);
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    rss,
    heap: heapUsed,
    external,
    files: count('/proc/self/fd'),
    threads: count('/proc/self/task'),
    resources: process.getActiveResourcesInfo().length,
  };
}
