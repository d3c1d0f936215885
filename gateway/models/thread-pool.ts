import type { Runner } from './runner.js';
import type { ThreadInput } from './thread-runner.js';
import { loadInThread } from './thread-runner.js';

/** Loads a model into several threads. Each run goes to the one that has the fewest to do. Rejects as `loadInThread` does. */
export async function loadInThreads(input: ThreadInput, threads: number): Promise<Runner> {
  const opened = await Promise.allSettled(Array.from({ length: threads }, () => loadInThread(input)));
  const runners = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = opened.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await Promise.all(runners.map((runner) => runner.release()));
    throw failed.reason;
  }
  const first = runners[0]!;
  if (runners.length === 1) return first;
  const busy = runners.map(() => 0);
  return {
    placement: 'thread',
    lanes: runners.length,
    inputs: first.inputs,
    outputs: first.outputs,
    async run(feeds) {
      const lane = busy.indexOf(Math.min(...busy));
      busy[lane]!++;
      try {
        return await runners[lane]!.run(feeds);
      } finally {
        busy[lane]!--;
      }
    },
    async release() {
      await Promise.all(runners.map((runner) => runner.release()));
    },
  };
}
