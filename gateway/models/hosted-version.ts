import type { ServableVersion } from '../../activities/ports.js';
import type { ServingSpec } from '../../contracts/artifacts.js';
import type { Device } from '../../domain/devices.js';
import type { GatewayConfig } from '../gateway-config.js';
import { RequestError } from '../http/request-error.js';
import type { ServingPlan } from '../plans/serving-plan.js';
import type { VersionMetrics } from '../watching/version-metrics.js';
import { Batcher } from './batcher.js';
import { ColdRequests } from './cold-requests.js';
import type { ModelMemory, RoomWish } from './model-memory.js';
import type { Engine, ModelCost, Placement } from './placement.js';
import type { Runner } from './runner.js';
import type { NamedTensors } from './tensors.js';

/** What a version is, as proved by its trial; it stays the same while the model itself comes and goes. */
export type VersionFacts = {
  readonly servable: ServableVersion;
  /** Whether the registry holds it, or it came signed in the body of a load call. */
  readonly origin: 'registry' | 'call';
  readonly spec: ServingSpec;
  readonly plan: ServingPlan;
  readonly cost: ModelCost;
  readonly engine: Engine;
  readonly placed: Placement;
};

export type HostedVersionDeps = {
  readonly metrics: VersionMetrics;
  readonly memory: ModelMemory;
  readonly config: Pick<GatewayConfig, 'maxWaiting' | 'coldWaitMs' | 'maxWaitingForLoad'>;
  /** Loads the model where it is placed. */
  open(): Promise<Runner>;
};

/**
 * Whether the model of a version is in memory. `cold` comes back at the first request; `held` was unloaded by a person
 * and comes back when a person, or a new generation of the route, says so.
 */
export type VersionState = 'ready' | 'loading' | 'unloading' | 'cold' | 'held' | 'released';

const retryLoadMs = 1_000;

/** A version that this gateway knows: verified, tried, and loaded or ready to be. It is never released while it answers. */
export class HostedVersion {
  readonly model: string;
  readonly version: string;
  /** Of its package. */
  readonly digest: string;
  readonly servable: ServableVersion;
  readonly origin: VersionFacts['origin'];
  readonly spec: ServingSpec;
  readonly plan: ServingPlan;
  readonly cost: ModelCost;
  readonly engine: Engine;
  readonly placed: Placement;
  readonly metrics: VersionMetrics;
  /** What callers of this version send and get; versions with the same can stand in for each other. */
  readonly signature: string;
  readonly batcher: Batcher;
  /** Resolves when the model is freed after `retire`. */
  readonly closed: Promise<void>;
  /** Requests that were let in, ever: whoever looks twice sees whether anybody asked. */
  uses = 0;

  readonly #deps: HostedVersionDeps;
  readonly #cold: ColdRequests;
  #close: () => void = () => undefined;
  #runner: Runner | null = null;
  /** Whether requests may enter: then there is a runner. */
  #open = false;
  #inFlight = 0;
  #retired = false;
  #held = false;
  #loading: Promise<boolean> | null = null;
  #releasing = false;
  #wokenMs = -Infinity;
  #unloading: { done: Promise<void>; end(): void } | null = null;
  #failed: { readonly reason: string; readonly atMs: number } | null = null;
  #metricsOff: () => void = () => undefined;

  constructor(facts: VersionFacts, deps: HostedVersionDeps) {
    this.servable = facts.servable;
    this.model = facts.servable.model;
    this.version = facts.servable.version;
    this.digest = facts.servable.package.digest;
    this.origin = facts.origin;
    this.spec = facts.spec;
    this.plan = facts.plan;
    this.cost = facts.cost;
    this.engine = facts.engine;
    this.placed = facts.placed;
    this.metrics = deps.metrics;
    this.#deps = deps;
    this.signature = JSON.stringify([facts.plan.inputs, facts.plan.outputs, facts.spec.request, facts.spec.eventTimeField]);
    const letGo = deps.metrics.hold();
    this.closed = new Promise<void>((resolve) => (this.#close = resolve)).then(letGo);
    this.#cold = new ColdRequests({ ...deps.config, name: this.#name, onLeave: () => deps.memory.changed() });
    const run = (feeds: NamedTensors): Promise<NamedTensors> => this.#runner!.run(feeds);
    const runner: Runner = {
      placement: facts.placed.where,
      lanes: facts.placed.lanes,
      inputs: [],
      outputs: [],
      run,
      ...(facts.engine === 'compiledTrees' ? { runNow: (feeds: NamedTensors) => this.#runner!.runNow!(feeds) } : {}),
      release: () => Promise.resolve(),
    };
    this.batcher = new Batcher(runner, {
      batchable: facts.plan.batchable,
      maxRows: facts.placed.maxRows,
      maxWaiting: deps.config.maxWaiting,
      onBatch: (batch) => this.metrics.ran(batch),
      onQueued: (ms) => this.metrics.queued(ms),
    });
  }

  get #name(): string {
    return `version '${this.version}' of '${this.model}'`;
  }

  /** The accelerator that it was given; null on the CPU, and while it is not in memory. */
  get device(): Device | null {
    return this.#deps.memory.deviceOf(this);
  }

  get placement(): Runner['placement'] {
    return this.placed.where;
  }

  /** One run of a small request as measured in its trial. */
  get runMs(): number {
    return this.cost.runMs;
  }

  /** Whether a request may enter at once. */
  get resident(): boolean {
    return this.#open;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get isRetired(): boolean {
    return this.#retired;
  }

  /** Whether requests wait for it to be loaded, or are about to enter. */
  get isAwaited(): boolean {
    return this.#cold.waiting > 0;
  }

  get state(): VersionState {
    if (this.#unloading !== null) return 'unloading';
    if (this.#open) return 'ready';
    if (this.#loading !== null) return 'loading';
    if (this.#retired) return 'released';
    return this.#held ? 'held' : 'cold';
  }

  /** Why it is not loaded; empty when it is. */
  get reason(): string {
    switch (this.state) {
      case 'ready':
        return '';
      case 'loading':
        return 'it is being loaded';
      case 'unloading':
        return 'it answers its last requests';
      case 'held':
        return 'it was unloaded by a person; load it, or change its route';
      case 'released':
        return 'no route names it any more';
      case 'cold':
        return this.#failed === null
          ? 'it is not in memory; the first request loads it'
          : `it failed to load (${this.#failed.reason}); the next request tries again`;
    }
  }

  /** Keeps the version loaded until `leave`; false when it is not loaded. */
  enter(): boolean {
    if (!this.#open) return false;
    this.#inFlight++;
    this.uses++;
    return true;
  }

  leave(): void {
    if (--this.#inFlight === 0 && (this.#retired || this.#unloading !== null)) this.#releaseSoon();
  }

  /** Loads it when it is not, making room as far as `wish` goes. False when there is no room. Throws what loading throws. */
  async load(wish: RoomWish): Promise<boolean> {
    await this.#unloading?.done;
    if (this.#open || this.#retired) return true;
    const joins = this.#loading !== null;
    this.#loading ??= this.#load(wish).finally(() => (this.#loading = null));
    const isLoaded = await this.#loading;
    // The one that was joined may have tried less hard for room.
    return isLoaded || !joins ? isLoaded : this.load(wish);
  }

  /**
   * For a request that found it cold: resolves when it is loaded, or retired, which the caller sees by choosing again.
   * Throws `notReady` when a person unloaded it or it fails to load, `loading` when too many wait or it takes longer
   * than `limitMs`.
   */
  async bringIn(limitMs: number): Promise<void> {
    const name = this.#name;
    if (this.#retired) throw new RequestError('notReady', `${name} was just taken out of service`);
    if (this.#held) throw new RequestError('notReady', `${name} is not loaded: ${this.reason}`);
    if (this.#failed !== null && performance.now() - this.#failed.atMs < retryLoadMs)
      throw new RequestError('notReady', `${name} failed to load: ${this.#failed.reason}`);
    await this.#cold.wait(() => this.load({ mayEvict: 'any', mayExceed: false }), limitMs);
  }

  /** Has it loaded for work that can wait: into free memory alone, and tried no more than once a second. */
  wake(): void {
    const now = performance.now();
    if (this.#held || this.#retired || this.#loading !== null || now - this.#wokenMs < retryLoadMs) return;
    this.#wokenMs = now;
    // Why it failed is kept for whoever asks.
    void this.load({ mayEvict: 'nothing', mayExceed: false }).catch(() => undefined);
  }

  /** Releases the model once its last request is answered; the next request loads it again, unless a person `held` it. */
  async unload({ held }: { held: boolean }): Promise<void> {
    this.#held ||= held;
    // At once where nothing is to be waited for: whoever looks next must not take it for one that can be released.
    if (this.#loading !== null) await this.#loading.catch(() => undefined);
    if (!this.#open && this.#unloading === null) return;
    this.#open = false;
    if (this.#unloading === null) {
      let end = (): void => undefined;
      const done = new Promise<void>((resolve) => (end = resolve));
      this.#unloading = { done, end };
      if (this.#inFlight === 0) this.#releaseSoon();
    }
    await this.#unloading.done;
  }

  /** Takes back a person's unload. */
  allow(): void {
    this.#held = false;
  }

  /** No route names it any more: it is released when its last request is answered, and not loaded again. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    if (this.#loading !== null) {
      void this.#loading.catch(() => undefined).finally(() => this.#releaseSoon());
      // It may be waiting for room.
      this.#deps.memory.changed();
    } else if (this.#inFlight === 0) this.#releaseSoon();
  }

  async #load(wish: RoomWish): Promise<boolean> {
    const startedMs = performance.now();
    try {
      if (!(await this.#deps.memory.take(this, wish))) return false;
      this.#runner = await this.#deps.open();
    } catch (error) {
      this.#deps.memory.give(this);
      this.#failed = { reason: error instanceof Error ? error.message : String(error), atMs: performance.now() };
      throw error;
    }
    this.#failed = null;
    // Only to have the first run behind it; zeros need not mean anything to the model.
    await this.#runner.run(this.plan.sample(1)).catch(() => undefined);
    this.#metricsOff = this.metrics.loaded({
      loadSeconds: (performance.now() - startedMs) / 1000,
      inFlight: () => this.#inFlight,
      waiting: () => this.batcher.pending,
    });
    this.#open = !this.#retired;
    this.#deps.memory.changed();
    return true;
  }

  /** Not within the turn that answered the last request: its batch may still be on the stack. */
  #releaseSoon(): void {
    setImmediate(() => {
      if (this.#inFlight > 0 || this.#releasing || !(this.#retired || this.#unloading !== null)) return;
      this.#open = false;
      const runner = this.#runner;
      this.#runner = null;
      if (runner === null) return this.#released();
      this.#releasing = true;
      void runner
        .release()
        .catch(() => undefined)
        .finally(() => {
          this.#releasing = false;
          this.#metricsOff();
          this.#deps.memory.give(this);
          this.#released();
        });
    });
  }

  #released(): void {
    const unloading = this.#unloading;
    this.#unloading = null;
    unloading?.end();
    if (this.#retired && this.#runner === null) this.#close();
  }
}
