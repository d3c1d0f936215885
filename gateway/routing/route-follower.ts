import type { Route, RouteSource, ServableVersion } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import { lookbackMs } from '../../domain/feature-computation.js';
import type { GatewayConfig } from '../gateway-config.js';
import type { HostedVersion } from '../models/hosted-version.js';
import type { RoomWish } from '../models/model-memory.js';
import type { LastGoodModel } from './last-good.js';
import { readLastGood, writeLastGood } from './last-good.js';
import type { Log } from '../log.js';
import { reasonOf } from '../log.js';
import type { OutcomeCache } from '../prediction/outcome-cache.js';
import type { ModelTable, RoutingTable } from './routing-table.js';
import { modelTable } from './routing-table.js';

export type FollowerDeps = {
  readonly routes: RouteSource;
  readonly tables: RoutingTable;
  readonly outcomes: OutcomeCache;
  readonly config: GatewayConfig;
  readonly log: Log;
  /** Verifies and tries a version; it is not loaded yet. */
  host(servable: ServableVersion): Promise<HostedVersion>;
};

/** A version that a route names and that cannot be served. */
export type Refusal = { readonly model: string; readonly version: string; readonly reason: string };

type Acknowledgement = { readonly model: string; readonly generation: number; readonly refused: string | null };

/**
 * Keeps the tables as the registry's routes say: loads what a new generation names, swaps, then acknowledges. What cannot
 * be loaded is acknowledged as refused and the table before it keeps serving. While Postgres is away the tables stay as
 * they are.
 */
export class RouteFollower {
  readonly #deps: FollowerDeps;
  readonly #servables = new Map<string, ServableVersion>();
  /** Newest generation of each model that was looked at: a load that ends after a newer one came is thrown away. */
  readonly #newest = new Map<string, number>();
  readonly #following = new Set<Promise<void>>();
  readonly #refusals = new Map<string, Refusal>();
  #unsent: Acknowledgement[] = [];
  #syncing: Promise<void> | undefined;
  #again = false;
  #saved = '';
  #saving: Promise<void> = Promise.resolve();
  #closed = false;
  #away = false;
  /** Whether the routes were read at least once, from the registry or from the last good state. */
  ready = false;

  constructor(deps: FollowerDeps) {
    this.#deps = deps;
  }

  /** Versions of the followed routes that cannot be served, with the reason. */
  get refusals(): readonly Refusal[] {
    return [...this.#refusals.values()];
  }

  /** Follows the registry, or, when it is away, what this gateway served last; resolves when that much is loaded. Never rejects. */
  async start(): Promise<void> {
    await this.sync();
    if (this.#away) await this.#restore();
    while (this.#following.size > 0) await Promise.all(this.#following);
    if (!this.#away) this.ready = true;
  }

  /**
   * Looks at the routes now; calls while it looks make it look once more. It does not wait for loads: a rollback must not
   * queue behind a heavy version. Never rejects.
   */
  sync(): Promise<void> {
    this.#again = true;
    this.#syncing ??= this.#loop().finally(() => (this.#syncing = undefined));
    return this.#syncing;
  }

  async #restore(): Promise<void> {
    const { config, outcomes, tables, log } = this.#deps;
    const state = await readLastGood(config.folder).catch((error: unknown) => {
      log({ level: 'error', event: 'lastGoodUnreadable', folder: config.folder, reason: reasonOf(error) });
      return null;
    });
    if (state === null) return;
    for (const { route, versions, outcomes: kept } of state.models) {
      try {
        for (const servable of versions) this.#servables.set(keyOf(servable.model, servable.version), servable);
        outcomes.restore(route.model, kept);
        const { table, refused } = await this.#load(route);
        // The registry may be back, and have said what is newer.
        if (table !== null && this.#newest.has(route.model)) retireNew(table.versions.values(), tables.get(route.model));
        else if (table !== null) tables.set(route.model, table);
        if (refused !== null) log({ level: 'error', event: 'lastGoodRefused', model: route.model, reason: refused });
      } catch (error) {
        log({ level: 'error', event: 'lastGoodRefused', model: (route as Route | null)?.model ?? null, reason: reasonOf(error) });
      }
    }
    this.ready = true;
    log({ level: 'warn', event: 'servingLastGood', savedAtMs: state.savedAtMs, models: tables.models });
  }

  async #loop(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      try {
        await this.#look();
        if (this.#away) this.#deps.log({ level: 'info', event: 'registryBack' });
        this.#away = false;
      } catch (error) {
        if (!this.#away) this.#deps.log({ level: 'warn', event: 'registryAway', reason: reasonOf(error) });
        this.#away = true;
      }
    }
  }

  async #look(): Promise<void> {
    const { routes, tables, outcomes } = this.#deps;
    const found = await routes.routes();
    for (const route of found) {
      if (this.#newest.get(route.model) === route.generation) continue;
      this.#newest.set(route.model, route.generation);
      const follow = this.#follow(route).finally(() => this.#following.delete(follow));
      this.#following.add(follow);
    }
    const named = new Set(found.map(({ model }) => model));
    for (const model of tables.routed.keys()) if (!named.has(model)) tables.remove(model);
    for (const model of this.#newest.keys()) if (!named.has(model)) this.#newest.delete(model);
    for (const [key, { model }] of this.#refusals) if (!named.has(model)) this.#refusals.delete(key);
    outcomes.keep(named);
    for (const model of tables.routed.keys()) await outcomes.refresh(model);
    if (this.#following.size === 0) this.ready = true;
    await this.#save();
    await this.#acknowledge();
  }

  /** Never rejects: what is away is tried again at the next look. */
  async #follow(route: Route): Promise<void> {
    const { tables, outcomes, log } = this.#deps;
    const { model, generation } = route;
    let loaded: ModelTable | null = null;
    try {
      const { table, refused } = await this.#load(route);
      loaded = table;
      if (table !== null) await outcomes.refresh(model);
      if (this.#closed || this.#newest.get(model) !== generation) return;
      if (table !== null) this.#swap(table);
      this.#unsent = [...this.#unsent.filter((ack) => ack.model !== model), { model, generation, refused }];
      if (refused === null)
        log({ level: 'info', event: 'routeFollowed', model, generation, variants: route.variants, shadow: route.shadow });
      else log({ level: 'error', event: 'routeRefused', model, generation, reason: refused });
      await this.#acknowledge();
      await this.#save();
    } catch (error) {
      // Loaded or not, an acknowledgement that could not be sent stays in #unsent; a load that failed starts anew.
      if (!this.#unsent.some((ack) => ack.model === model && ack.generation === generation) && this.#newest.get(model) === generation)
        this.#newest.delete(model);
      log({ level: 'warn', event: 'routeNotFollowedYet', model, generation, reason: reasonOf(error) });
    } finally {
      // What is in no table after all would stay loaded.
      if (loaded !== null) retireNew(loaded.versions.values(), tables.get(model));
    }
  }

  #swap(table: ModelTable): void {
    const { model } = table.route;
    this.#deps.tables.set(model, table);
    for (const [key, servable] of this.#servables)
      if (servable.model === model && !table.versions.has(servable.version)) this.#servables.delete(key);
  }

  /**
   * Loads what a route names. A live variant or a shadow that cannot be loaded refuses the route; a standby only makes a
   * log line, since it may be the very version that the route takes out of traffic. With nothing served before, a
   * champion that loads is better than no table.
   */
  async #load(route: Route): Promise<{ table: ModelTable | null; refused: string | null }> {
    const current = this.#deps.tables.get(route.model);
    const versions = new Map<string, HostedVersion>();
    for (const [key, { model }] of this.#refusals) if (model === route.model) this.#refusals.delete(key);
    const live = [...route.variants.map(({ version }) => version), ...(route.shadow === null ? [] : [route.shadow])];
    let refused: string | null = null;
    for (const version of new Set([...live, ...route.standby])) {
      try {
        const hosted = await this.#hosted(route.model, version, current);
        versions.set(version, hosted);
        // What a person unloaded comes back with the next generation.
        hosted.allow();
        await this.#bringIn(hosted, { isHot: current?.champion?.resident === true, standby: !live.includes(version) });
      } catch (error) {
        // Only what is known to stay so is a refusal; anything else is tried again.
        if (!(error instanceof PerennialError) || error.retryable) {
          retireNew(versions.values(), current);
          throw error;
        }
        this.#refusals.set(keyOf(route.model, version), { model: route.model, version, reason: reasonOf(error) });
        if (live.includes(version)) refused ??= reasonOf(error);
        else this.#deps.log({ level: 'warn', event: 'standbyNotLoaded', model: route.model, version, reason: reasonOf(error) });
      }
    }
    if (refused === null) return { table: modelTable(route, versions), refused };
    const champion = route.variants[0]?.version;
    const degraded = current === undefined && champion !== undefined && versions.has(champion);
    retireNew(
      [...versions.values()].filter(({ version }) => !degraded || version !== champion),
      current,
    );
    if (!degraded) return { table: null, refused };
    const alone: Route = { ...route, variants: [{ version: champion, weight: 1 }], shadow: null, standby: [] };
    return { table: modelTable(alone, new Map([[champion, versions.get(champion)!]])), refused };
  }

  async #hosted(model: string, version: string, current: ModelTable | undefined): Promise<HostedVersion> {
    const key = keyOf(model, version);
    const known = current?.versions.get(version);
    // A registered version's package never changes, so one that is known needs no look at the registry.
    if (known?.origin === 'registry') return known;
    let servable = this.#servables.get(key);
    if (servable === undefined) {
      servable = await this.#deps.routes.version(model, version);
      this.#servables.set(key, servable);
    }
    return this.#deps.host(servable);
  }

  /**
   * Loads a version before its table is swapped in. Where a model is answering now, its next version gets room before all
   * others; where nobody asks yet it must not push out what others ask for, and is loaded by its first request.
   */
  async #bringIn(hosted: HostedVersion, { isHot, standby }: { isHot: boolean; standby: boolean }): Promise<void> {
    if (hosted.resident) return;
    const wish: RoomWish = standby ? { mayEvict: 'nothing', mayExceed: false } : { mayEvict: isHot ? 'any' : 'lesser', mayExceed: isHot };
    const loaded = await hosted.load(wish);
    const { model, version, placement, runMs } = hosted;
    this.#deps.log({
      level: 'info',
      event: loaded ? 'versionLoaded' : 'versionKeptCold',
      model,
      version,
      placement,
      runMs: Number(runMs.toFixed(6)),
    });
  }

  async #acknowledge(): Promise<void> {
    while (this.#unsent.length > 0) {
      const ack = this.#unsent[0]!;
      await this.#deps.routes.acknowledge({ gateway: this.#deps.config.id, ...ack });
      this.#unsent = this.#unsent.filter((other) => other !== ack);
    }
  }

  /** Keeps what is served now for a start without the registry, and nothing that comes after. Never rejects. */
  close(): Promise<void> {
    const saved = this.#save();
    this.#closed = true;
    return saved;
  }

  /** One write at a time: they share a file. */
  #save(): Promise<void> {
    // Soon nothing is served any more, and that is no good state.
    if (this.#closed) return this.#saving;
    this.#saving = this.#saving.then(() => this.#saveNow());
    return this.#saving;
  }

  async #saveNow(): Promise<void> {
    const { tables, outcomes } = this.#deps;
    const state = [...tables.routed].map(([model, { route, versions }]): LastGoodModel => {
      const lookback = Math.max(0, ...[...versions.values()].map(({ spec }) => lookbackMs(spec.features)));
      return {
        route,
        versions: [...versions.values()].map(({ servable }) => servable),
        outcomes: lookback === 0 ? [] : outcomes.recent(model, lookback),
      };
    });
    const mark = JSON.stringify(state.map(({ route }) => [route, outcomes.change(route.model)]));
    if (mark === this.#saved) return;
    try {
      await writeLastGood(this.#deps.config.folder, state);
      this.#saved = mark;
    } catch (error) {
      this.#deps.log({ level: 'warn', event: 'lastGoodNotSaved', reason: reasonOf(error) });
    }
  }
}

/** Lets go of versions that were loaded for a table that is not used after all. */
function retireNew(versions: Iterable<HostedVersion>, current: ModelTable | undefined): void {
  for (const hosted of versions) if (current?.versions.get(hosted.version) !== hosted) hosted.retire();
}

function keyOf(model: string, version: string): string {
  return `${model} ${version}`;
}
