import type { DevicePlace } from '../../domain/devices.js';
import { executionProvidersOn } from '../../domain/devices.js';
import { sessionOptions } from './runner.js';
import type { ThreadData } from './thread-messages.js';

/** One for this process: two threads in ONNX Runtime's WebGPU provider at the same time end it. */
const webGpuTurn = new Int32Array(new SharedArrayBuffer(4));

/** What a thread opens its session with, on a device or, with null, the CPU. */
export function sessionOn(on: DevicePlace | null): Pick<ThreadData, 'sessionOptions' | 'turn'> {
  if (on === null) return { sessionOptions, turn: null };
  return {
    sessionOptions: { ...sessionOptions, executionProviders: executionProvidersOn(on) },
    turn: on.provider === 'webgpu' ? webGpuTurn : null,
  };
}
