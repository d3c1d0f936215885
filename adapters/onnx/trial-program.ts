/**
 * Program of the process in which a model is opened for the first time. It imports nothing but Node's own modules by name,
 * so that it can be started from any place; ONNX Runtime is found from the module that its first argument names.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as OnnxRuntime from 'onnxruntime-node';
import type { TrialTensor, TrialValue } from '../../activities/trial-ports.js';
import type { TrialAnswer, TrialCall } from './trial-messages.js';

const ort = createRequire(process.argv[2]!)('onnxruntime-node') as typeof OnnxRuntime;
let sessionOptions: OnnxRuntime.InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  logSeverityLevel: 4,
};

/** A whole ONNX file that hands its input on, to have the runtime's own first costs behind before anything is measured. */
const identity = Buffer.from('CAgSADo3ChAKAXgSAXkiCElkZW50aXR5EgFnWg8KAXgSCgoICAESBAoCCAFiDwoBeRIKCggIARIECgIIAUIECgAQEQ==', 'base64');

let session: OnnxRuntime.InferenceSession | null = null;
let bytesBefore = 0;

function valueOf(meta: OnnxRuntime.InferenceSession.ValueMetadata): TrialValue {
  if (!meta.isTensor) return { name: meta.name, type: 'non-tensor', shape: [] };
  return { name: meta.name, type: meta.type, shape: meta.shape.map((dim) => (typeof dim === 'number' ? dim : -1)) };
}

/** A figure of this process in bytes as Linux tells it; null elsewhere. */
function told(name: 'VmSize' | 'VmHWM'): number | null {
  try {
    const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) * 1024;
  } catch {
    return null;
  }
}

/** Lets the highest resident size count from here. Where the system cannot, the size of the moment stands for it. */
function resetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Not Linux, or not allowed.
  }
}

const residentBytes = (): number => process.memoryUsage.rss();
/** What the model holds by now; what only waits to be collected is none of it. */
function held(): number {
  globalThis.gc?.();
  return Math.max(0, residentBytes() - bytesBefore);
}

function empty(): TrialAnswer {
  const { user, system } = process.cpuUsage();
  return { kind: 'empty', virtualBytes: told('VmSize'), residentBytes: residentBytes(), cpuSeconds: (user + system) / 1e6 };
}

async function load(path: string): Promise<TrialAnswer> {
  globalThis.gc?.();
  bytesBefore = residentBytes();
  resetPeak();
  const startedMs = performance.now();
  const before = process.cpuUsage();
  session = await ort.InferenceSession.create(path, sessionOptions);
  const { user, system } = process.cpuUsage(before);
  // What it takes when nothing else wants the core.
  const ms = Math.min(performance.now() - startedMs, (user + system) / 1e3);
  const { inputMetadata, outputMetadata } = session;
  return { kind: 'loaded', inputs: inputMetadata.map(valueOf), outputs: outputMetadata.map(valueOf), ms };
}

async function run(call: Extract<TrialCall, { kind: 'run' }>): Promise<TrialAnswer> {
  const feeds: Record<string, OnnxRuntime.Tensor> = {};
  for (const [name, tensor] of Object.entries(call.feeds))
    feeds[name] = new ort.Tensor(tensor.type as 'float32', tensor.data as Float32Array, tensor.dims);
  const runsMs: number[] = [];
  let answered: OnnxRuntime.InferenceSession.OnnxValueMapType = {};
  for (let i = 0; i < call.times; i++) {
    const startedMs = performance.now();
    answered = await session!.run(feeds);
    runsMs.push(performance.now() - startedMs);
  }
  const outputs: Record<string, TrialTensor> = {};
  for (const [name, tensor] of Object.entries(answered))
    outputs[name] = { type: tensor.type, dims: tensor.dims, data: tensor.data as Float32Array };
  const bytes = held();
  return { kind: 'ran', outputs, runsMs, bytes, peakBytes: Math.max(bytes, (told('VmHWM') ?? 0) - bytesBefore) };
}

async function unload(): Promise<TrialAnswer> {
  await session?.release();
  session = null;
  return empty();
}

/** What a device costs this process once is behind it when the first model is measured. */
async function use(executionProviders: Extract<TrialCall, { kind: 'use' }>['executionProviders']): Promise<TrialAnswer> {
  sessionOptions = { ...sessionOptions, executionProviders };
  await warmUp();
  return empty();
}

async function answerTo(call: TrialCall): Promise<TrialAnswer> {
  try {
    switch (call.kind) {
      case 'use':
        return await use(call.executionProviders);
      case 'load':
        return await load(call.path);
      case 'run':
        return await run(call);
      case 'unload':
        return await unload();
    }
  } catch (error) {
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
  }
}

async function warmUp(): Promise<void> {
  const first = await ort.InferenceSession.create(identity, sessionOptions);
  await first.run({ x: new ort.Tensor('float32', new Float32Array(1), [1]) });
  await first.release();
  globalThis.gc?.();
}

const say = (answer: TrialAnswer): void => void process.send?.(answer);
process.on('message', (call: TrialCall) => void answerTo(call).then(say));
// Whoever started it is gone.
process.on('disconnect', () => process.exit(0));
await warmUp();
say(empty());
