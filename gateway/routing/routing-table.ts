import type { Route } from '../../activities/ports.js';
import { pickVariant } from '../../domain/routing.js';
import type { HostedVersion } from '../models/hosted-version.js';
import { RequestError } from '../http/request-error.js';

/** How one model is answered at this moment. Never changed: another route is another table. */
export type ModelTable = {
  readonly route: Route;
  /** Who answers when another variant cannot; null while nothing is live. */
  readonly champion: HostedVersion | null;
  readonly shadow: HostedVersion | null;
  readonly versions: ReadonlyMap<string, HostedVersion>;
  /** The one variant that gets everything, when there is no choice to make. */
  readonly sole: HostedVersion | null;
};

/** What the request says about who shall answer. */
export type VariantChoice = {
  /** A version, when the route or the caller names one. */
  readonly version: string | null;
  /** The caller's sticky key. */
  readonly key: string | null;
};

/**
 * The models that this gateway serves; a model's table is replaced by one assignment. Beside what routes name there are
 * versions that a person loaded: they are answered when a caller names them, and get no traffic.
 */
export class RoutingTable {
  readonly #models = new Map<string, ModelTable>();
  readonly #routed = new Map<string, ModelTable>();
  readonly #unrouted = new Map<string, ReadonlyMap<string, HostedVersion>>();

  get models(): readonly string[] {
    return [...this.#models.keys()];
  }

  get(model: string): ModelTable | undefined {
    return this.#models.get(model);
  }

  /** The table of a model, or a `notFound` that says so. */
  need(model: string): ModelTable {
    const table = this.#models.get(model);
    if (table === undefined) throw new RequestError('notFound', `Request for unknown model: '${model}' is not found`);
    return table;
  }

  /** The tables that follow routes, without what a person loaded. */
  get routed(): ReadonlyMap<string, ModelTable> {
    return this.#routed;
  }

  /** Swaps a model's table; versions that the new one does not hold are retired, which lets their requests finish. */
  set(model: string, table: ModelTable): void {
    this.#routed.set(model, table);
    const named = [...(this.#unrouted.get(model) ?? [])].filter(([version]) => !table.versions.has(version));
    this.#keepUnrouted(model, new Map(named));
  }

  remove(model: string): void {
    this.#routed.delete(model);
    this.#keepUnrouted(model, this.#unrouted.get(model) ?? new Map());
  }

  /** Retires everything, and answers what that is. */
  clear(): HostedVersion[] {
    const versions = [...this.#models.values()].flatMap((table) => [...table.versions.values()]);
    for (const map of [this.#models, this.#routed, this.#unrouted]) map.clear();
    for (const version of versions) version.retire();
    return versions;
  }

  /** Makes a version that no route names reachable by its name, in place of one that was so before; retires one that is named by now. */
  addUnrouted(hosted: HostedVersion): void {
    if (this.#routed.get(hosted.model)?.versions.has(hosted.version) === true) return hosted.retire();
    this.#keepUnrouted(hosted.model, new Map([...(this.#unrouted.get(hosted.model) ?? []), [hosted.version, hosted]]));
  }

  /** Lets go of a version that no route names; false when there is none such. */
  removeUnrouted(model: string, version: string): boolean {
    const rest = new Map(this.#unrouted.get(model));
    if (!rest.delete(version)) return false;
    this.#keepUnrouted(model, rest);
    return true;
  }

  #keepUnrouted(model: string, unrouted: ReadonlyMap<string, HostedVersion>): void {
    if (unrouted.size === 0) this.#unrouted.delete(model);
    else this.#unrouted.set(model, unrouted);
    const before = this.#models.get(model);
    const routed = this.#routed.get(model) ?? (unrouted.size === 0 ? undefined : modelTable(noRoute(model), new Map()));
    const table =
      routed === undefined || unrouted.size === 0 ? routed : { ...routed, versions: new Map([...unrouted, ...routed.versions]) };
    if (table === undefined) this.#models.delete(model);
    else this.#models.set(model, table);
    if (before !== undefined) retireAllBut(before, new Set(table?.versions.values()));
  }
}

/** What a model is answered by that only a person loaded. */
function noRoute(model: string): Route {
  return { model, generation: 0, variants: [], shadow: null, standby: [], salt: '' };
}

/** Makes a table of loaded versions. The champion is the route's first variant. */
export function modelTable(route: Route, versions: ReadonlyMap<string, HostedVersion>): ModelTable {
  const first = route.variants[0];
  const champion = first === undefined ? null : versions.get(first.version)!;
  const shared = route.variants.filter(({ weight }) => weight > 0);
  return {
    route,
    champion,
    shadow: route.shadow === null ? null : (versions.get(route.shadow) ?? null),
    versions,
    sole: shared.length === 1 ? versions.get(shared[0]!.version)! : null,
  };
}

/** The versions that have a share of the requests. */
export function liveVersions({ route, versions }: ModelTable): HostedVersion[] {
  return route.variants.filter(({ weight }) => weight > 0).flatMap(({ version }) => versions.get(version) ?? []);
}

/** Who answers this request. `notFound` when a version is asked for that is not loaded. */
export function chooseVersion(table: ModelTable, choice: VariantChoice): HostedVersion {
  if (choice.version !== null) {
    const named = table.versions.get(choice.version);
    if (named === undefined) {
      const loaded = [...table.versions.keys()].join(', ');
      throw new RequestError(
        'notFound',
        `Request for unknown model: '${table.route.model}' version '${choice.version}' is not loaded; loaded are ${loaded}`,
      );
    }
    return named;
  }
  if (table.sole !== null) return table.sole;
  if (table.champion === null) throw new RequestError('notReady', `no version of '${table.route.model}' is live yet`);
  const { variants, salt } = table.route;
  return table.versions.get(pickVariant({ variants, salt, key: choice.key ?? Math.random() }))!;
}

/** The part that a version has in a route; `unrouted` is one that a person loaded beside it. */
export type Role = 'champion' | 'challenger' | 'shadow' | 'standby' | 'unrouted';

/** The part that a version has in a route. */
export function roleOf(table: ModelTable, version: string): Role {
  if (version === table.champion?.version) return 'champion';
  if (table.route.variants.some((variant) => variant.version === version)) return 'challenger';
  if (version === table.route.shadow) return 'shadow';
  return table.route.standby.includes(version) ? 'standby' : 'unrouted';
}

function retireAllBut(table: ModelTable, kept: ReadonlySet<HostedVersion>): void {
  for (const version of table.versions.values()) if (!kept.has(version)) version.retire();
}
