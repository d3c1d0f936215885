import { Worker } from 'node:worker_threads';
import type { DevicePlace } from '../../domain/devices.js';
import type { Runner } from './runner.js';
import { sessionOn } from './session-on.js';
import type { NamedTensors, TensorMeta } from './tensors.js';
import type { ThreadAnswer, ThreadCall, ThreadData } from './thread-messages.js';

type Waiting = { resolve(outputs: NamedTensors): void; reject(reason: Error): void; readonly limit: NodeJS.Timeout };

/** `read` gives the model's file at each start of a thread, to be given away to it; `limitMs` is for loading, `runLimitMs` for each run. */
export type ThreadInput = {
  readonly read: () => Promise<Uint8Array>;
  readonly program: string;
  /** The device that the model runs on; left out or null for the CPU. */
  readonly on?: DevicePlace | null;
  readonly limitMs: number;
  readonly runLimitMs: number;
};

/**
 * Loads a model in a thread of its own; the event loop stays free while it computes. When the thread dies, or
 * computes longer than it may, the runs that wait are rejected and the next run starts another thread. Rejects with ONNX
 * Runtime's reason when the model cannot be loaded, or when that takes longer than `limitMs`.
 */
export async function loadInThread(input: ThreadInput): Promise<Runner> {
  let current: Promise<Thread> | undefined;
  let released = false;
  const open = (): Promise<Thread> => {
    const opening: Promise<Thread> = input
      .read()
      .then((model) => startThread({ ...input, model, onEnd: () => current === opening && (current = undefined) }));
    opening.catch(() => current === opening && (current = undefined));
    return opening;
  };
  current = open();
  const first = await current;
  return {
    placement: 'thread',
    lanes: 1,
    inputs: first.inputs,
    outputs: first.outputs,
    async run(feeds) {
      if (released) throw new Error('the version was taken out of service');
      current ??= open();
      return (await current).run(feeds);
    },
    async release() {
      released = true;
      const thread = await current?.catch(() => undefined);
      await thread?.stop();
    },
  };
}

type Thread = {
  readonly inputs: readonly TensorMeta[];
  readonly outputs: readonly TensorMeta[];
  run(feeds: NamedTensors): Promise<NamedTensors>;
  stop(): Promise<void>;
};

function startThread(input: ThreadInput & { model: Uint8Array; onEnd(): void }): Promise<Thread> {
  // Moved to the thread, where copying a large file would stop the event loop.
  const model = ownBytes(input.model);
  const workerData: ThreadData = { model, requireFrom: import.meta.url, ...sessionOn(input.on ?? null) };
  const worker = new Worker(input.program, { workerData, transferList: [model.buffer], execArgv: [] });
  const waiting = new Map<number, Waiting>();
  let next = 0;
  let sayOver: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (sayOver = resolve));
  // Never `terminate`: ONNX Runtime, met in the middle of a run, would end the process. The thread ends itself once it can.
  const abandon = (): void => {
    const call: ThreadCall = { kind: 'close' };
    worker.postMessage(call);
    worker.unref();
  };
  return new Promise((resolve, reject) => {
    const end = (reason: Error): void => {
      clearTimeout(limit);
      input.onEnd();
      reject(reason);
      sayOver();
      for (const run of waiting.values()) {
        clearTimeout(run.limit);
        run.reject(reason);
      }
      waiting.clear();
    };
    const limit = setTimeout(() => {
      end(new Error(`the model was not loaded within ${input.limitMs} ms`));
      abandon();
    }, input.limitMs);
    const thread = (meta: { inputs: readonly TensorMeta[]; outputs: readonly TensorMeta[] }): Thread => ({
      ...meta,
      run: (feeds) =>
        new Promise((done, failed) => {
          const id = next++;
          // The thread is left to itself, and another one takes the next run.
          const { runLimitMs } = input;
          const overdue = setTimeout(() => {
            end(new Error(`a run took longer than ${runLimitMs} ms`));
            abandon();
          }, runLimitMs);
          waiting.set(id, { resolve: done, reject: failed, limit: overdue });
          const call: ThreadCall = { kind: 'run', id, feeds };
          worker.postMessage(call);
        }),
      async stop() {
        abandon();
        // Until it has ended, or computes longer than it may: then it is left to itself.
        await over;
      },
    });
    worker.on('message', (message: ThreadAnswer) => {
      switch (message.kind) {
        case 'ready':
          clearTimeout(limit);
          worker.unref();
          resolve(thread(message));
          return;
        case 'refused':
          end(new Error(message.reason));
          abandon();
          return;
        case 'done':
          settle(message.id)?.resolve(message.outputs);
          return;
        case 'failed':
          settle(message.id)?.reject(new Error(message.reason));
      }
    });
    const settle = (id: number): Waiting | undefined => {
      const run = waiting.get(id);
      waiting.delete(id);
      clearTimeout(run?.limit);
      return run;
    };
    worker.on('error', (error) => end(error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', (code) => end(new Error(`the model's thread ended with code ${code}`)));
  });
}

/** The bytes alone in a buffer of their own, as `readFile` gives them. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? new Uint8Array(buffer) : new Uint8Array(bytes);
}
