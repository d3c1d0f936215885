import type { DeviceNeed } from '../../domain/devices.js';
import type { Placement, PlacementLimits } from './placement.js';
import { placeModel, threadBytes } from './placement.js';
import type { PlacedTrial } from './try-on-device.js';

/** The place of a tried version: its device, or where its cost says. */
export function placeTried({ tried: { cost, engine }, device, fallback }: PlacedTrial, limits: PlacementLimits): Placement {
  if (device !== null) return onDevice(device, cost, limits);
  const placed = placeModel(cost, limits, engine);
  return fallback === null ? placed : { ...placed, because: `${placed.because}; it prefers an accelerator: ${fallback}` };
}

/**
 * One copy, in a thread, whatever a run takes: it waits for the device, and the event loop must not. Batches grow until a run
 * takes as long as one in a thread may.
 */
function onDevice(device: DeviceNeed, cost: PlacedTrial['tried']['cost'], limits: PlacementLimits): Placement {
  const further = Math.floor((limits.threadRunMs - cost.runMs) / Math.max(cost.rowMs, 1e-6));
  return {
    where: 'thread',
    threads: 1,
    lanes: 1,
    maxRows: Math.max(1, Math.min(limits.maxBatchRows, cost.bestRows, further + 1)),
    bytes: cost.bytes + threadBytes,
    device,
    because: `it asks for ${device.provider}, and proved itself there; a run takes ${cost.runMs.toPrecision(3)} ms`,
  };
}
