import { PerennialError } from './errors.js';
import type { AcceleratorOptions, AcceleratorProvider } from './serving-options.js';

/** What an accelerator is driven by. NVIDIA's serve two execution providers: CUDA's own, and TensorRT's. */
export type DeviceKind = 'cuda' | 'webgpu';

/** An accelerator that a gateway may use. */
export type Device = {
  /** `<kind>:<index>`, such as `cuda:0`. */
  readonly name: string;
  readonly kind: DeviceKind;
  readonly index: number;
  /** Memory that all versions on it may be given together. */
  readonly memoryBytes: number;
};

/** What a version is given of a device. */
export type DeviceNeed = { readonly provider: AcceleratorProvider; readonly kind: DeviceKind; readonly bytes: number };

/** A device as one provider addresses it. */
export type DevicePlace = { readonly provider: AcceleratorProvider; readonly name: string; readonly index: number };

/** An execution provider as ONNX Runtime takes it among the options of a session. */
export type ExecutionProvider = { readonly name: string; readonly deviceId?: number };

const mebibyte = 1024 * 1024;

const kinds: Readonly<Record<AcceleratorProvider, DeviceKind>> = { cuda: 'cuda', tensorrt: 'cuda', webgpu: 'webgpu' };

/** Throws `ArtifactRejected` for a provider of another release than this one. */
export function needOf({ provider, memoryMiB }: AcceleratorOptions): DeviceNeed {
  if (!Object.hasOwn(kinds, provider))
    throw new PerennialError(
      'ArtifactRejected',
      `it asks for the execution provider ${JSON.stringify(provider)}, and this release knows ${Object.keys(kinds).join(', ')}`,
    );
  return { provider, kind: kinds[provider], bytes: memoryMiB * mebibyte };
}

export function placeOn({ name, index }: Device, { provider }: DeviceNeed): DevicePlace {
  return { provider, name, index };
}

/**
 * What ONNX Runtime asks for each operator, in this order. What TensorRT cannot do CUDA does, and the CPU whatever is left.
 */
export function executionProvidersOn({ provider, index: deviceId }: DevicePlace): readonly ExecutionProvider[] {
  switch (provider) {
    case 'cuda':
      return [{ name: 'cuda', deviceId }, { name: 'cpu' }];
    case 'tensorrt':
      return [{ name: 'tensorrt', deviceId }, { name: 'cuda', deviceId }, { name: 'cpu' }];
    // Takes the system's first adapter, and no index.
    case 'webgpu':
      return [{ name: 'webgpu' }, { name: 'cpu' }];
  }
}
