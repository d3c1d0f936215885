import type { Device } from '../../domain/devices.js';
import type { GatewayMetrics } from '../watching/metrics.js';
import type { HostedVersion } from './hosted-version.js';
import type { ModelMemory } from './model-memory.js';

export type DeviceFiguresOf = {
  readonly memory: ModelMemory;
  /** Every version that is known now. */
  versions(): readonly HostedVersion[];
  /** Whether a device was seen to work; null while nobody looked. */
  isUsable(device: Device): boolean | null;
};

/** What is given of each device, and where versions that ask for one are, told with the gateway's metrics. */
export function deviceFigures(metrics: GatewayMetrics, { memory, versions, isUsable }: DeviceFiguresOf): void {
  metrics.also((text) => {
    text.family('gateway_device_usable', 'gauge', 'Whether ONNX Runtime can use the device (1), as seen when the gateway started');
    for (const device of memory.devices) {
      const usable = isUsable(device);
      text.add({ device: device.name }, usable === null ? null : Number(usable));
    }
    text.family('gateway_device_memory_bytes', 'gauge', 'Memory of the device that versions in memory were given');
    for (const device of memory.devices) text.add({ device: device.name }, memory.usedOn(device));
    text.family('gateway_device_memory_budget_bytes', 'gauge', 'Memory of the device that versions may be given together');
    for (const device of memory.devices) text.add({ device: device.name }, device.memoryBytes);
    text.family('gateway_version_device', 'gauge', 'Where a version runs that asks for an accelerator: 1 for the device, or cpu');
    for (const hosted of versions()) {
      const { model, version, spec, device } = hosted;
      if (spec.accelerator === undefined || !hosted.resident) continue;
      text.add({ model_name: model, version, provider: spec.accelerator.provider, device: device?.name ?? 'cpu' }, 1);
    }
  });
}
