import type { ModelTrials } from '../../activities/trial-ports.js';
import type { Device } from '../../domain/devices.js';
import { placeOn } from '../../domain/devices.js';
import type { GatewayConfig } from '../gateway-config.js';
import type { Log } from '../log.js';

export type DeviceLookDeps = {
  readonly trials: ModelTrials;
  readonly config: Pick<GatewayConfig, 'devices' | 'trialMemoryBytes' | 'loadLimitMs'>;
  readonly log: Log;
};

/**
 * Whether the devices of this gateway can be used, looked at once when it starts, so that an operator hears of a missing
 * driver before a version does. A version's own trial decides: a device that comes later is used.
 */
export class DeviceLook {
  readonly #deps: DeviceLookDeps;
  readonly #usable = new Map<Device, boolean>();

  constructor(deps: DeviceLookDeps) {
    this.#deps = deps;
  }

  isUsable(device: Device): boolean | null {
    return this.#usable.get(device) ?? null;
  }

  /** One after the other, each in a process of its own. Never rejects. */
  async look(): Promise<void> {
    const { trials, config, log } = this.#deps;
    for (const device of config.devices) {
      const on = placeOn(device, { provider: device.kind, kind: device.kind, bytes: 0 });
      const reason = await trials.probe(on, { memoryBytes: config.trialMemoryBytes, limitMs: config.loadLimitMs });
      this.#usable.set(device, reason === null);
      if (reason === null) log({ level: 'info', event: 'deviceUsable', device: device.name, memoryBytes: device.memoryBytes });
      else log({ level: 'error', event: 'deviceUnusable', device: device.name, reason });
    }
  }
}
