import type { ServableVersion } from '../../activities/ports.js';
import type { ModelTrials } from '../../activities/trial-ports.js';
import type { ServingSpec } from '../../contracts/artifacts.js';
import { placeOn } from '../../domain/devices.js';
import { PerennialError } from '../../domain/errors.js';
import type { GatewayConfig } from '../gateway-config.js';
import type { Log } from '../log.js';
import type { GatewayMetrics } from '../watching/metrics.js';
import type { TriedVersion } from './first-runs.js';
import type { VersionFacts } from './hosted-version.js';
import { HostedVersion } from './hosted-version.js';
import type { ModelMemory } from './model-memory.js';
import { openRunner } from './open-runner.js';
import type { PackageSource } from './package-files.js';
import { readPackage } from './package-files.js';
import { placeTried } from './device-placement.js';
import type { ServingPlan } from '../plans/serving-plan.js';
import { tryWhereItRuns } from './try-on-device.js';

export type HostDeps = {
  readonly source: PackageSource;
  readonly trials: ModelTrials;
  readonly memory: ModelMemory;
  /** What trials of this process proved, by the digest of the package: a rollback need not wait for another one. */
  readonly tried: Map<string, TriedVersion>;
  /** Bounds the loads at the same time. */
  loadInTurn<T>(load: () => Promise<T>): Promise<T>;
  readonly metrics: GatewayMetrics;
  readonly log: Log;
  readonly config: GatewayConfig;
  /** Throws `ArtifactRejected` for what this gateway cannot do for a version. */
  accept(spec: ServingSpec, plan: ServingPlan): void;
};

const mebibyte = 1024 * 1024;

/**
 * Gets to know a version: reads and verifies its package, and tries its model in another process. It is not loaded here
 * yet. Throws `ArtifactRejected` with the reason when the package, its signature, its shape, its cost or its first answers
 * do not hold.
 */
export async function hostVersion(
  deps: HostDeps,
  servable: ServableVersion,
  origin: VersionFacts['origin'] = 'registry',
): Promise<HostedVersion> {
  const { config, source } = deps;
  const { model, version } = servable;
  const contents = await readPackage(source, servable);
  const rejected = (cause: Error): PerennialError =>
    new PerennialError('ArtifactRejected', `${model} ${version} cannot be served: ${cause.message}`, { cause });
  const { digest } = servable.package;
  const proved = await tryWhereItRuns(deps, { contents, model, digest }).catch((error: Error) => {
    // That no process could be started says nothing of the version.
    throw error instanceof PerennialError && error.type !== 'ArtifactRejected' ? error : rejected(error);
  });
  const { plan, cost, engine } = proved.tried;
  deps.accept(contents.spec, plan);
  const placed = placeTried(proved, config);
  if (placed.bytes > config.memoryBudgetBytes) {
    const [needs, has] = [placed.bytes, config.memoryBudgetBytes].map((bytes) => Math.ceil(bytes / mebibyte));
    throw rejected(new Error(`it takes ${needs} MiB of memory, and all models of this gateway may take ${has} MiB`));
  }
  if (proved.fallback !== null) deps.log({ level: 'warn', event: 'versionOnCpu', model, version, reason: proved.fallback });
  const facts: VersionFacts = { servable, origin, spec: contents.spec, plan, cost, engine, placed };
  const hosted: HostedVersion = new HostedVersion(facts, {
    metrics: deps.metrics.version(model, version),
    memory: deps.memory,
    config,
    // Read anew, and verified anew: the files are not kept in memory.
    open: () =>
      deps.loadInTurn(() => {
        const device = deps.memory.deviceOf(hosted);
        const on = device === null || placed.device === null ? null : placeOn(device, placed.device);
        return openRunner(async () => (await readPackage(source, servable)).model, { engine, placement: placed, plan, config, on });
      }),
  });
  return hosted;
}
