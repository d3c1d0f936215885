import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { load, type LoadResult, type LoadSpec } from './load.js';

/** `load` in a thread of its own, so that what thousands of connections leave in the heap of one is not there in the next. */
export async function loadFresh(spec: LoadSpec): Promise<LoadResult> {
  // The benchmark is one bundled file.
  const thread = new Worker(process.argv[1] ?? '', { argv: ['--part', 'load'], workerData: spec });
  const [result] = (await once(thread, 'message')) as [LoadResult];
  await thread.terminate();
  return result;
}

/** What that thread does. */
export async function answerLoad(): Promise<void> {
  parentPort?.postMessage(await load(workerData as LoadSpec));
}
