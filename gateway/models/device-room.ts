import type { Device, DeviceNeed } from '../../domain/devices.js';
import { PerennialError } from '../../domain/errors.js';

/** A version's part of a device. */
export type DeviceShare = { readonly device: Device; readonly version: string; readonly bytes: number };

/** One that could be released, by how much it would be missed: the higher of two ranks, then the one used last. */
export type Releasable<T> = { readonly share: DeviceShare; readonly rank: number; readonly usedMs: number; readonly of: T };

/** A device, and who goes first from it while it is too full. */
export type Room<T> = { readonly device: Device; readonly first: T | null };

const mebibyte = 1024 * 1024;

/**
 * The device for a need: the emptiest that has room; else the one where the least missed have to go. Null when all that
 * can go would not be enough on any.
 */
export function chooseDevice<T>(
  devices: readonly Device[],
  need: DeviceNeed,
  held: { readonly shares: readonly DeviceShare[]; readonly releasable: readonly Releasable<T>[] },
): Room<T> | null {
  const able = devices
    .filter(({ kind }) => kind === need.kind)
    .map((device) => ({ device, free: device.memoryBytes - heldOn(device, held.shares) }))
    .sort((a, b) => b.free - a.free);
  const emptiest = able[0];
  if (emptiest !== undefined && emptiest.free >= need.bytes) return { device: emptiest.device, first: null };
  const full = able.flatMap(({ device, free }) => {
    const goers = held.releasable.filter(({ share }) => share.device === device).sort(byLoss);
    let room = free;
    for (const last of goers) {
      room += last.share.bytes;
      if (room >= need.bytes) return [{ device, first: goers[0]!.of, last }];
    }
    return [];
  });
  return full.sort((a, b) => byLoss(a.last, b.last))[0] ?? null;
}

/**
 * A device that can take a version while those answer that it cannot push out. Throws `ArtifactRejected` with what is
 * missing, and the way out.
 */
export function deviceBeside(devices: readonly Device[], need: DeviceNeed, staying: readonly DeviceShare[]): Device {
  const refuse = (reason: string): never => {
    throw new PerennialError('ArtifactRejected', reason);
  };
  const own = devices.filter(({ kind }) => kind === need.kind);
  if (own.length === 0)
    return refuse(
      `this gateway has no ${need.kind} device${devices.length === 0 ? '' : ` (it has ${devices.map(({ name }) => name).join(', ')})`}: set PERENNIAL_GATEWAY_DEVICES, such as ${need.kind}:0=8GiB`,
    );
  const largest = own.reduce((most, device) => (device.memoryBytes > most.memoryBytes ? device : most));
  if (largest.memoryBytes < need.bytes)
    return refuse(
      `it asks for ${inMiB(need.bytes)} of a device, and ${largest.name} may be given ${inMiB(largest.memoryBytes)}: lower serving.accelerator.memoryMiB, or raise PERENNIAL_GATEWAY_DEVICES`,
    );
  const room = chooseDevice(own, need, { shares: staying, releasable: [] });
  if (room !== null) return room.device;
  const named = staying.map(({ device, version, bytes }) => `${version} on ${device.name} (${inMiB(bytes)})`).join(', ');
  return refuse(
    `it asks for ${inMiB(need.bytes)} of a device beside what answers: ${named}; a device is never given more than PERENNIAL_GATEWAY_DEVICES says (${own.map(({ name, memoryBytes }) => `${name}: ${inMiB(memoryBytes)}`).join(', ')})`,
  );
}

/** What is given of a device. */
export function heldOn(device: Device, shares: readonly DeviceShare[]): number {
  return shares.reduce((sum, share) => sum + (share.device === device ? share.bytes : 0), 0);
}

function byLoss(a: { rank: number; usedMs: number }, b: { rank: number; usedMs: number }): number {
  return a.rank - b.rank || a.usedMs - b.usedMs;
}

function inMiB(bytes: number): string {
  return `${Math.ceil(bytes / mebibyte)} MiB`;
}
