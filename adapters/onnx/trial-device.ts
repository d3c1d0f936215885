import { setImmediate } from 'node:timers/promises';
import type { DevicePlace } from '../../domain/devices.js';
import { executionProvidersOn } from '../../domain/devices.js';
import { PerennialError } from '../../domain/errors.js';
import type { TrialProcess } from './trial-process.js';

/** What a machine needs for a provider, beside the device. */
const wayOut: Readonly<Record<DevicePlace['provider'], string>> = {
  cuda: "install NVIDIA's driver, CUDA, cuDNN and ONNX Runtime's CUDA libraries",
  tensorrt: "install NVIDIA's driver, CUDA, cuDNN, TensorRT and ONNX Runtime's CUDA and TensorRT libraries",
  webgpu: 'install a Vulkan driver and its loader (libvulkan.so.1)',
};

/**
 * Has a process that holds no model use a device from now on. `ArtifactRejected` with `refusedBy: 'device'` when it cannot
 * be used: no version would load there.
 */
export async function useDevice(process: TrialProcess, on: DevicePlace): Promise<void> {
  try {
    await process.call({ kind: 'use', executionProviders: executionProvidersOn(on) }, `opening ${on.name}`);
  } catch (cause) {
    if (!(cause instanceof PerennialError) || cause.type !== 'ArtifactRejected') throw cause;
    // What the process wrote before it answered is read in the next turns.
    await setImmediate();
    await setImmediate();
    throw new PerennialError(
      'ArtifactRejected',
      `${on.name} cannot be used by ONNX Runtime's provider ${on.provider}: ${whatLacks(cause.message, process.stderr)}; ${wayOut[on.provider]}`,
      { details: { refusedBy: 'device' }, cause },
    );
  }
}

/** The core of what ONNX Runtime says, which names its own sources and, of a library, only on stderr what it lacks. */
function whatLacks(said: string, stderr: string): string {
  const library = /Failed to load library (\S+) with error: (.+)/.exec(stderr);
  if (library !== null) return `its library does not load: ${library[2]!.trim()}`;
  const [reason] = /CUDA failure \d+: [^;\n]+|Failed to [^\n]+|no available backend[^\n]+/.exec(said) ?? [said.split('\n')[0]!];
  return reason.trim();
}
