/**
 * Program of a thread that holds one model. It imports nothing but Node's own modules by name, so that it can be started
 * from any place; ONNX Runtime is found from where the gateway's code is.
 */
import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type * as OnnxRuntime from 'onnxruntime-node';
import { stepBack } from '../step-back.js';
import type { Tensor, TensorMeta } from './tensors.js';
import type { ThreadAnswer, ThreadCall, ThreadData } from './thread-messages.js';

const data = workerData as ThreadData;
const { requireFrom, sessionOptions, turn } = data;
const ort = createRequire(requireFrom)('onnxruntime-node') as typeof OnnxRuntime;
const port = parentPort!;

const answer = (message: ThreadAnswer): void => port.postMessage(message);
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function tensorMeta(meta: OnnxRuntime.InferenceSession.ValueMetadata): TensorMeta {
  if (!meta.isTensor) return { name: meta.name, type: 'non-tensor', shape: [] };
  return { name: meta.name, type: meta.type, shape: meta.shape.map((dim) => (typeof dim === 'number' ? dim : -1)) };
}

let ownTurn: Promise<unknown> = Promise.resolve();

/** Does something with ONNX Runtime while no other thread of this process does. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (turn === null) return work();
  const done = ownTurn.then(async () => {
    while (Atomics.compareExchange(turn, 0, 0, 1) !== 0) Atomics.wait(turn, 0, 1);
    try {
      return await work();
    } finally {
      Atomics.store(turn, 0, 0);
      Atomics.notify(turn, 0, 1);
    }
  });
  ownTurn = done.catch(() => undefined);
  return done;
}

async function run(session: OnnxRuntime.InferenceSession, call: Extract<ThreadCall, { kind: 'run' }>): Promise<void> {
  try {
    const feeds: Record<string, OnnxRuntime.Tensor> = {};
    for (const [name, tensor] of Object.entries(call.feeds))
      feeds[name] = new ort.Tensor(tensor.type as 'float32', tensor.data as Float32Array, tensor.dims);
    const answered = turn === null ? await session.run(feeds) : await inTurn(() => session.run(feeds));
    const outputs: Record<string, Tensor> = {};
    for (const [name, tensor] of Object.entries(answered)) {
      outputs[name] = { type: tensor.type as Tensor['type'], dims: tensor.dims, data: tensor.data as Tensor['data'] };
    }
    answer({ kind: 'done', id: call.id, outputs });
  } catch (error) {
    answer({ kind: 'failed', id: call.id, reason: reasonOf(error) });
  }
}

try {
  stepBack();
  const session = await inTurn(() => ort.InferenceSession.create(data.model!, sessionOptions));
  data.model = null;
  let running = 0;
  let closing = false;
  // A thread that is ended from outside while ONNX Runtime computes takes the whole process with it: it ends itself.
  const endWhenIdle = (): void => {
    if (closing && running === 0) void inTurn(() => session.release()).finally(() => port.close());
  };
  port.on('message', (call: ThreadCall) => {
    if (call.kind === 'close') {
      closing = true;
      return endWhenIdle();
    }
    running++;
    void run(session, call).finally(() => {
      running--;
      endWhenIdle();
    });
  });
  answer({ kind: 'ready', inputs: session.inputMetadata.map(tensorMeta), outputs: session.outputMetadata.map(tensorMeta) });
} catch (error) {
  answer({ kind: 'refused', reason: reasonOf(error) });
  port.close();
}
