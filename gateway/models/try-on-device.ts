import type { Device, DeviceNeed } from '../../domain/devices.js';
import { needOf, placeOn } from '../../domain/devices.js';
import { PerennialError } from '../../domain/errors.js';
import { tryOnDevice } from './device-agreement.js';
import type { FirstRunsDeps, TriedVersion } from './first-runs.js';
import { tryVersion } from './first-runs.js';
import type { PackageContents } from './package-files.js';

/** A version that proved itself where it will run. `fallback` says why that is the CPU although it prefers a device. */
export type PlacedTrial = { readonly tried: TriedVersion; readonly device: DeviceNeed | null; readonly fallback: string | null };

export type DeviceTrialDeps = FirstRunsDeps & {
  readonly memory: { deviceFor(need: DeviceNeed, model: string): Device };
  /** What trials of this process proved, by the digest of the package and where: a rollback need not wait for another one. */
  readonly tried: Map<string, TriedVersion>;
};

/** Trials that are remembered; the oldest go first. */
const mostTried = 256;

/**
 * Tries a version on the accelerator that it asks for, or on the CPU. Where the device cannot be had, or the version does not
 * prove itself there, one that requires it is refused (`ArtifactRejected`), and one that prefers it is tried on the CPU.
 */
export async function tryWhereItRuns(
  deps: DeviceTrialDeps,
  of: { readonly contents: PackageContents; readonly model: string; readonly digest: string },
): Promise<PlacedTrial> {
  const wish = of.contents.spec.accelerator;
  const onCpu = (): Promise<TriedVersion> => proved(deps, of.digest, () => tryVersion(deps, of.contents));
  if (wish === undefined) return { tried: await onCpu(), device: null, fallback: null };
  try {
    const need = needOf(wish);
    const on = placeOn(deps.memory.deviceFor(need, of.model), need);
    const tried = await proved(deps, `${of.digest} ${wish.provider}`, () => tryOnDevice(deps, of.contents, on));
    return { tried, device: need, fallback: null };
  } catch (error) {
    if (!(error instanceof PerennialError) || error.type !== 'ArtifactRejected') throw error;
    if (wish.required)
      throw new PerennialError(
        'ArtifactRejected',
        `${error.message}. It requires ${wish.provider}: with serving.accelerator.required false it would run on the CPU`,
        { cause: error },
      );
    return { tried: await onCpu(), device: null, fallback: error.message };
  }
}

async function proved({ tried }: DeviceTrialDeps, key: string, prove: () => Promise<TriedVersion>): Promise<TriedVersion> {
  const proof = tried.get(key) ?? (await prove());
  tried.delete(key);
  tried.set(key, proof);
  for (const oldest of tried.keys()) {
    if (tried.size <= mostTried) break;
    tried.delete(oldest);
  }
  return proof;
}
