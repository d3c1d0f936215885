import type { Device, DeviceNeed } from '../../domain/devices.js';
import type { DeviceShare } from './device-room.js';
import { chooseDevice, deviceBeside, heldOn } from './device-room.js';
import type { HostedVersion } from './hosted-version.js';

/**
 * How hard to try for room: `nothing` takes what is free, `lesser` releases what no live traffic needs, `any` the least
 * used of all. `mayExceed` loads beyond the budget when nothing more can be released: for the new version of a model that
 * is answering, until its old one is let go. A device is never given more than it may be: what its memory cannot hold fails.
 */
export type RoomWish = { readonly mayEvict: 'nothing' | 'lesser' | 'any'; readonly mayExceed: boolean };

/** What a version is for, from the first to be released to the last. */
export type Standing = 'unrouted' | 'standby' | 'shadow' | 'idle' | 'live';

export type MemoryDeps = {
  readonly budgetBytes: number;
  readonly devices: readonly Device[];
  /** A version that nobody asked for this long is released; 0 keeps it. */
  readonly idleUnloadMs: number;
  /** The version's part in its model's route. */
  roleOf(version: HostedVersion): 'unrouted' | 'standby' | 'shadow' | 'live';
  onUnload(version: HostedVersion, why: 'evicted' | 'idle'): void;
};

/** A live version that was asked within this time has traffic. */
const trafficMs = 60_000;
const order: readonly Standing[] = ['unrouted', 'standby', 'shadow', 'idle', 'live'];

type Able = { readonly version: HostedVersion; readonly rank: number; readonly usedMs: number };
type Resident = { uses: number; usedMs: number; readonly device: Device | null };

/**
 * The memory that loaded models share. What is loaded beyond the budget makes the least used go: versions without a route
 * first, then standby and shadow, then live versions of models that nobody asks, and those with traffic last.
 */
export class ModelMemory {
  readonly #deps: MemoryDeps;
  readonly #residents = new Map<HostedVersion, Resident>();
  #usedBytes = 0;
  #tellNext: () => void = () => undefined;
  #next = Promise.resolve();

  constructor(deps: MemoryDeps) {
    this.#deps = deps;
    this.changed();
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get budgetBytes(): number {
    return this.#deps.budgetBytes;
  }

  get residents(): number {
    return this.#residents.size;
  }

  get devices(): readonly Device[] {
    return this.#deps.devices;
  }

  /** Where a version is loaded, or being loaded; null for the CPU, and while it is not in memory. */
  deviceOf(version: HostedVersion): Device | null {
    return this.#residents.get(version)?.device ?? null;
  }

  /** What versions in memory were given of a device. */
  usedOn(device: Device): number {
    return heldOn(device, this.#shares());
  }

  /**
   * A device that a version of this model can be loaded on while those of it answer that do so now. Throws
   * `ArtifactRejected` with the reason when there is none.
   */
  deviceFor(need: DeviceNeed, model: string): Device {
    // One that is retired is about to go.
    const stays = (version: HostedVersion): boolean =>
      version.model === model && !version.isRetired && order.indexOf(this.standingOf(version)) >= order.indexOf('idle');
    const staying = this.#shares(stays);
    return deviceBeside(this.#deps.devices, need, staying);
  }

  /**
   * Reserves the memory of a version, releasing others as far as `wish` goes. False when there is no room for it. Throws
   * `ArtifactRejected` when no device can have room for it beside the version of its model that answers.
   */
  async take(version: HostedVersion, wish: RoomWish): Promise<boolean> {
    const { bytes, device: need } = version.placed;
    while (!this.#residents.has(version)) {
      const able = this.#releasable(version, wish);
      const room = need === null ? { device: null, first: null } : this.#roomOn(need, able);
      const fits = this.#usedBytes + bytes <= this.#deps.budgetBytes;
      const victim = room?.first ?? (room === null || fits ? undefined : able[0]?.version);
      if (room !== null && room.first === null && (fits || (victim === undefined && wish.mayExceed))) {
        this.#usedBytes += bytes;
        this.#residents.set(version, { uses: version.uses, usedMs: performance.now(), device: room.device });
        return true;
      }
      if (version.isRetired) return false;
      if (victim !== undefined) {
        this.#deps.onUnload(victim, 'evicted');
        await victim.unload({ held: false });
        continue;
      }
      if (room === null && wish.mayExceed) this.deviceFor(need!, version.model);
      // What is loaded or released right now, or about to answer those who waited for it, can go next.
      if (wish.mayEvict !== 'any' || this.#residents.size === 0) return false;
      await this.#next;
    }
    return true;
  }

  /** Gives back what a version took. */
  give(version: HostedVersion): void {
    if (this.#residents.delete(version)) this.#usedBytes -= version.placed.bytes;
    this.changed();
  }

  /** To be called when a version was loaded, released, or has let in those who waited for it. */
  changed(): void {
    this.#tellNext();
    this.#next = new Promise((resolve) => (this.#tellNext = resolve));
  }

  /** To be called now and then: sees what was asked for since the last time, and releases what idled too long. */
  sweep(): void {
    this.#look();
    if (this.#deps.idleUnloadMs === 0) return;
    const now = performance.now();
    for (const [version, { usedMs }] of this.#residents) {
      if (now - usedMs < this.#deps.idleUnloadMs || !version.resident || version.inFlight > 0) continue;
      this.#deps.onUnload(version, 'idle');
      void version.unload({ held: false });
    }
  }

  standingOf(version: HostedVersion): Standing {
    const role = this.#deps.roleOf(version);
    if (role !== 'live') return role;
    const usedMs = this.#residents.get(version)?.usedMs ?? -Infinity;
    return performance.now() - usedMs < trafficMs ? 'live' : 'idle';
  }

  /** A device, and who goes first from it; null while nothing that can go would make room on any. */
  #roomOn(need: DeviceNeed, able: readonly Able[]): { device: Device; first: HostedVersion | null } | null {
    const releasable = able.flatMap(({ version, rank, usedMs }) => {
      const share = this.#shareOf(version);
      return share === null ? [] : [{ share, rank, usedMs, of: version }];
    });
    return chooseDevice(this.#deps.devices, need, { shares: this.#shares(), releasable });
  }

  #shareOf(version: HostedVersion): DeviceShare | null {
    const device = this.deviceOf(version);
    return device === null ? null : { device, version: version.version, bytes: version.placed.device!.bytes };
  }

  #shares(of: (version: HostedVersion) => boolean = () => true): DeviceShare[] {
    return [...this.#residents.keys()].filter(of).flatMap((version) => this.#shareOf(version) ?? []);
  }

  /** Who may be released for a version, the least missed first. */
  #releasable(for_: HostedVersion, { mayEvict, mayExceed }: RoomWish): Able[] {
    if (mayEvict === 'nothing') return [];
    this.#look();
    const able = [...this.#residents.keys()]
      .filter((version) => version !== for_ && version.resident && !version.isAwaited)
      .map((version) => ({ version, rank: order.indexOf(this.standingOf(version)), usedMs: this.#residents.get(version)!.usedMs }))
      .filter(({ rank }) => mayEvict === 'any' || rank < order.indexOf('idle'))
      // Whoever answers until the next version of the model is there must stay for that long.
      .filter(({ version, rank }) => !mayExceed || version.model !== for_.model || rank < order.indexOf('idle'));
    // What answers right now would have to be waited for.
    able.sort((a, b) => a.rank - b.rank || Number(a.version.inFlight > 0) - Number(b.version.inFlight > 0) || a.usedMs - b.usedMs);
    return able;
  }

  /** Requests only count themselves; the time of the last one is known as exactly as this is called. */
  #look(): void {
    const now = performance.now();
    for (const [version, resident] of this.#residents) {
      if (version.uses === resident.uses && version.inFlight === 0) continue;
      resident.uses = version.uses;
      resident.usedMs = now;
    }
  }
}
