import type { ObjectStore, PackageVerifier, RouteSource, ServableVersion } from '../../activities/ports.js';
import type { ModelTrials } from '../../activities/trial-ports.js';
import { PerennialError } from '../../domain/errors.js';
import type { GatewayConfig } from '../gateway-config.js';
import { RequestError } from '../http/request-error.js';
import type { Log } from '../log.js';
import { reasonOf } from '../log.js';
import type { Refusal } from '../routing/route-follower.js';
import type { ModelTable, RoutingTable } from '../routing/routing-table.js';
import { roleOf } from '../routing/routing-table.js';
import type { GatewayMetrics } from '../watching/metrics.js';
import { atMost } from './at-most.js';
import { deviceFigures } from './device-figures.js';
import { DeviceLook } from './device-look.js';
import { hostVersion, type HostDeps } from './host-version.js';
import type { HostedVersion, VersionFacts } from './hosted-version.js';
import { memoryFigures } from './memory-figures.js';
import { ModelMemory } from './model-memory.js';
import { packageInCall } from './package-in-call.js';

/** A version in the words of Triton's repository index. `reason` is empty when it is READY. */
export type RepositoryEntry = {
  readonly name: string;
  readonly version: string;
  readonly state: 'READY' | 'UNAVAILABLE' | 'LOADING' | 'UNLOADING';
  readonly reason: string;
};

/** The `parameters` of a load or unload call, as JSON gave them. */
export type CallParameters = Readonly<Record<string, unknown>>;

export type RepositoryDeps = {
  readonly routes: Pick<RouteSource, 'version'>;
  readonly objects: ObjectStore;
  readonly verifier: PackageVerifier;
  readonly trials: ModelTrials;
  readonly tables: RoutingTable;
  readonly metrics: GatewayMetrics;
  readonly config: GatewayConfig;
  readonly log: Log;
  /** Versions of followed routes that could not be served. */
  refusals(): readonly Refusal[];
  readonly accept: HostDeps['accept'];
};

const sweepEveryMs = 1_000;

/** The versions that this gateway knows, the memory they share, and what a person may do with them beside the routes. */
export class ModelRepository {
  readonly #deps: RepositoryDeps;
  readonly #memory: ModelMemory;
  readonly #tried: HostDeps['tried'] = new Map();
  readonly #tryInTurn: ReturnType<typeof atMost>;
  readonly #loadInTurn: ReturnType<typeof atMost>;
  readonly #devices: DeviceLook;
  /** Versions that it is getting to know. */
  readonly #hosting = new Set<Promise<HostedVersion>>();
  #sweep: NodeJS.Timeout | undefined;

  constructor(deps: RepositoryDeps) {
    this.#deps = deps;
    // Apart: what a request waits for must not queue behind the trial of a file that hangs.
    this.#tryInTurn = atMost(deps.config.loadsAtOnce);
    this.#loadInTurn = atMost(deps.config.loadsAtOnce);
    this.#memory = new ModelMemory({
      budgetBytes: deps.config.memoryBudgetBytes,
      devices: deps.config.devices,
      idleUnloadMs: deps.config.idleUnloadMs,
      roleOf: (version) => this.#roleOf(version),
      onUnload: (version, why) => {
        figures.unloaded(version, why);
        deps.log({ level: 'info', event: 'versionUnloaded', model: version.model, version: version.version, why });
      },
    });
    const versions = (): readonly HostedVersion[] => this.#versions();
    const figures = memoryFigures(deps.metrics, { memory: this.#memory, config: deps.config, versions });
    this.#devices = new DeviceLook(deps);
    deviceFigures(deps.metrics, { memory: this.#memory, versions, isUsable: (device) => this.#devices.isUsable(device) });
  }

  /** Gets to know a version, without loading it. Throws `ArtifactRejected` when it cannot be served. */
  host(servable: ServableVersion, origin: VersionFacts['origin'] = 'registry'): Promise<HostedVersion> {
    const { objects, verifier, trials, metrics, config, log, accept } = this.#deps;
    const source = { objects, verifier, folder: config.folder };
    const hosting = this.#tryInTurn(() =>
      hostVersion(
        { source, trials, memory: this.#memory, tried: this.#tried, loadInTurn: this.#loadInTurn, metrics, log, config, accept },
        servable,
        origin,
      ),
    );
    this.#hosting.add(hosting);
    const done = (): void => void this.#hosting.delete(hosting);
    hosting.then(done, done);
    return hosting;
  }

  /** Begins to watch what is used, and looks whether the devices can be. */
  start(): void {
    void this.#devices.look();
    this.#sweep = setInterval(() => this.#memory.sweep(), sweepEveryMs).unref();
  }

  /** Resolves when nothing is read or tried any more: whoever stops the gateway may take its folder away then. */
  async stop(): Promise<void> {
    clearInterval(this.#sweep);
    await Promise.allSettled(this.#hosting);
  }

  /** Every version that is known, by model. */
  index(): RepositoryEntry[] {
    const words = {
      ready: 'READY',
      loading: 'LOADING',
      unloading: 'UNLOADING',
      cold: 'UNAVAILABLE',
      held: 'UNAVAILABLE',
      released: 'UNAVAILABLE',
    };
    const known = this.#versions().map(
      ({ model, version, state, reason }) => ({ name: model, version, state: words[state], reason }) as RepositoryEntry,
    );
    const refused = this.#deps
      .refusals()
      .filter(({ model, version }) => !known.some((entry) => entry.name === model && entry.version === version))
      .map(({ model, version, reason }): RepositoryEntry => ({ name: model, version, state: 'UNAVAILABLE', reason }));
    return [...known, ...refused];
  }

  /**
   * Loads a version, or, without one, every live version of the model. A version that no route names is served to callers
   * that name it. A whole signed package in `parameters` becomes such a version. Resolves when it can be asked. Throws a
   * `RequestError` whose message holds `failed to load`.
   */
  async load(model: string, version: string | null, parameters: CallParameters = {}): Promise<void> {
    if (Object.keys(parameters).some((name) => name.startsWith('file:') || name === 'config'))
      return this.#loadFromCall(model, version, parameters);
    const table = this.#deps.tables.get(model);
    const wanted = version === null ? (table === undefined ? [] : live(table)) : [table?.versions.get(version)];
    if (version === null && wanted.length === 0)
      throw new RequestError(
        'notFound',
        `Request for unknown model: failed to load '${model}', which has no route with a live version here`,
      );
    for (const known of wanted) {
      const hosted = known ?? (await this.#hostRegistered(model, version!));
      hosted.allow();
      await this.#bringIn(hosted);
      if (known === undefined) this.#deps.tables.addUnrouted(hosted);
    }
    this.#deps.log({ level: 'info', event: 'loadedByCall', model, version });
  }

  /**
   * Unloads a version, or, without one, all of the model, when their last requests are answered. They stay so until a
   * load call or a new generation of the route. The live versions only go with `parameters.force`. Throws a `RequestError`.
   */
  async unload(model: string, version: string | null, parameters: CallParameters = {}): Promise<void> {
    const table = this.#deps.tables.need(model);
    const wanted = version === null ? [...table.versions.values()] : [table.versions.get(version)];
    const lively = new Set(live(table));
    for (const hosted of wanted) {
      if (hosted === undefined)
        throw new RequestError('notFound', `Request for unknown model: '${model}' version '${version}' is not known here`);
      if (lively.has(hosted) && parameters['force'] !== true)
        throw new RequestError(
          'invalidRequest',
          `'${model}' version '${hosted.version}' is live (${roleOf(table, hosted.version)}) and would leave its callers without an answer: change the route, or unload with parameters.force`,
        );
    }
    for (const hosted of wanted) {
      if (roleOf(table, hosted!.version) === 'unrouted') this.#deps.tables.removeUnrouted(model, hosted!.version);
      else await hosted!.unload({ held: true });
    }
    this.#deps.log({ level: 'info', event: 'unloadedByCall', model, version });
  }

  async #loadFromCall(model: string, version: string | null, parameters: CallParameters): Promise<void> {
    if (version === null)
      throw new RequestError('invalidRequest', `failed to load '${model}': a package in the call needs a version in the path`);
    const { tables, verifier, config, routes } = this.#deps;
    const servable = await packageInCall({ verifier, folder: config.folder }, { model, version, parameters });
    const known = tables.get(model)?.versions.get(version);
    // What the registry holds under this number is what the number means, routed here or not.
    const registered = known?.origin === 'registry' ? known.digest : await registeredDigest(routes, servable);
    if (registered !== null && registered !== servable.package.digest)
      throw failed(servable, 'the registry holds another package under this version; give it another one');
    // What is known from the registry is this very package.
    if (known?.origin === 'registry') {
      known.allow();
      await this.#bringIn(known);
    } else {
      const hosted = await this.host(servable, 'call').catch((error: unknown) => {
        throw failed(servable, reasonOf(error));
      });
      await this.#bringIn(hosted);
      tables.addUnrouted(hosted);
    }
    this.#deps.log({ level: 'warn', event: 'packageLoadedByCall', model, version, digest: servable.package.digest });
  }

  async #hostRegistered(model: string, version: string): Promise<HostedVersion> {
    try {
      return await this.host(await this.#deps.routes.version(model, version));
    } catch (error) {
      throw failed({ model, version }, reasonOf(error), error);
    }
  }

  async #bringIn(hosted: HostedVersion): Promise<void> {
    try {
      await hosted.bringIn(this.#deps.config.loadLimitMs);
    } catch (error) {
      // One that is reachable stays, and may be loaded later.
      if (this.#deps.tables.get(hosted.model)?.versions.get(hosted.version) !== hosted) hosted.retire();
      throw failed(hosted, reasonOf(error), error);
    }
  }

  #versions(): HostedVersion[] {
    const { tables } = this.#deps;
    return tables.models.flatMap((model) => [...tables.need(model).versions.values()]);
  }

  #roleOf({ model, version }: HostedVersion): 'unrouted' | 'standby' | 'shadow' | 'live' {
    const table = this.#deps.tables.get(model);
    // One that is being loaded for the next generation is in no table yet.
    if (table === undefined || !table.versions.has(version)) return 'live';
    const role = roleOf(table, version);
    return role === 'champion' || role === 'challenger' ? 'live' : role;
  }
}

/** The versions that answer callers who name none. */
function live(table: ModelTable): HostedVersion[] {
  return table.route.variants.map(({ version }) => table.versions.get(version)!);
}

async function registeredDigest(routes: Pick<RouteSource, 'version'>, of: ServableVersion): Promise<string | null> {
  try {
    return (await routes.version(of.model, of.version)).package.digest;
  } catch (error) {
    // Not there, or nobody to ask: the package's own signature is what counts.
    if (error instanceof PerennialError) return null;
    throw error;
  }
}

function failed(of: { model: string; version: string }, reason: string, cause?: unknown): RequestError {
  const isAway = cause instanceof PerennialError ? cause.type === 'Unavailable' : cause instanceof RequestError && cause.isVersionFault;
  return new RequestError(isAway ? 'notReady' : 'invalidRequest', `failed to load '${of.model}' version '${of.version}': ${reason}`);
}
