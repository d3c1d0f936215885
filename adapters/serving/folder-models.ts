import { createHash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type {
  CaptureStore,
  ContainerModels,
  ObjectStore,
  OutcomeStore,
  Route,
  RouteSource,
  ServableVersion,
  ServingSpec,
} from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import { lookbackMs } from '../../domain/feature-computation.js';
import { absentObject, otherBytes } from '../objects/object-failures.js';
import { readPackageFolder } from './package-folder.js';

export type FolderModelsOptions = {
  /** Models are loaded from below this folder alone. */
  readonly root: string;
  /** Takes packages without a signature, for a verifier that wants none. */
  readonly unsigned: boolean;
};

type Entry = {
  readonly url: string;
  readonly route: Route;
  readonly servable: ServableVersion;
  readonly paths: ReadonlyMap<string, string>;
};
type Acknowledgement = Parameters<RouteSource['acknowledge']>[0];

/**
 * The surroundings of a gateway that serves packages from folders, without Postgres and without an object store: its
 * routes, its objects, and what loads and unloads them. Predictions are not stored here, and labels are refused.
 */
export type FolderModels = ContainerModels & {
  readonly routes: RouteSource;
  readonly objects: ObjectStore;
  readonly captures: CaptureStore;
  readonly outcomes: OutcomeStore;
};

export function folderModels(options: FolderModelsOptions): FolderModels {
  const entries = new Map<string, Entry>();
  const listeners = new Set<() => void>();
  const waiting = new Map<string, (ack: Acknowledgement) => void>();
  let generation = 0;
  const changed = (): void => {
    for (const listener of listeners) listener();
  };

  return {
    async add(name, url) {
      if (entries.has(name)) throw new PerennialError('Conflict', `model ${name} is loaded already`);
      const entry = await readEntry(options, { name, url, generation: ++generation });
      if (entries.has(name)) throw new PerennialError('Conflict', `model ${name} is loaded already`);
      entries.set(name, entry);
      // Nobody follows yet: what is named before the gateway starts is loaded by its start.
      if (listeners.size === 0) return;
      const acknowledged = new Promise<Acknowledgement>((told) => waiting.set(name, told));
      changed();
      const { refused } = await acknowledged;
      waiting.delete(name);
      if (refused === null) return;
      entries.delete(name);
      changed();
      throw new PerennialError('ArtifactRejected', refused);
    },
    remove(name) {
      const known = entries.delete(name);
      if (known) changed();
      return known;
    },
    list: () => [...entries].map(([name, { url }]) => ({ name, url })),

    routes: {
      routes: () => Promise.resolve([...entries.values()].map(({ route }) => route)),
      version(model) {
        const entry = entries.get(model);
        if (entry === undefined) return Promise.reject(new PerennialError('ArtifactRejected', `model ${model} was unloaded`));
        return Promise.resolve(entry.servable);
      },
      follow(onChange) {
        listeners.add(onChange);
        return Promise.resolve({ close: () => Promise.resolve(void listeners.delete(onChange)) });
      },
      renewLease: () => Promise.resolve(),
      dropLease: () => Promise.resolve(),
      acknowledge(ack) {
        if (entries.get(ack.model)?.route.generation === ack.generation) waiting.get(ack.model)?.(ack);
        return Promise.resolve();
      },
    },

    objects: folderObjects(options.root, entries),
    captures: {
      write: () => Promise.resolve(),
      label: () => Promise.reject(new PerennialError('DataInvalid', 'labels are not kept here: this gateway has no database')),
    },
    outcomes: {
      upsert: () => Promise.resolve(),
      range: () => Promise.resolve([]),
      since: (_model, change) => Promise.resolve({ outcomes: [], change }),
    },
  };
}

async function readEntry({ root, unsigned }: FolderModelsOptions, of: { name: string; url: string; generation: number }): Promise<Entry> {
  const folder = await folderOf(root, of.url);
  const found = await readPackageFolder(folder);
  const spec = JSON.parse(await readFile(join(folder, 'serving.json'), 'utf8')) as ServingSpec;
  const looksBack = (spec.features ?? []).find((feature) => lookbackMs([feature]) > 0);
  if (looksBack !== undefined)
    throw new PerennialError(
      'ArtifactRejected',
      `feature ${looksBack.name} of ${spec.model} looks back on outcomes, and there is no store of them here: serve it with a database`,
    );
  const paths = new Map(found.paths);
  const pack =
    found.package.signature === undefined && unsigned ? { ...found.package, signature: noSignature(paths, folder) } : found.package;
  const version = `v${pack.digest.slice('sha256:'.length, 'sha256:'.length + 12)}`;
  return {
    url: of.url,
    route: { model: of.name, generation: of.generation, variants: [{ version, weight: 1 }], shadow: null, standby: [], salt: of.name },
    servable: { model: of.name, version, package: pack, packagedAs: spec.model },
    paths,
  };
}

/** Stands where a signature would: any file of the package, for a verifier that looks at none. */
function noSignature(paths: ReadonlyMap<string, string>, folder: string) {
  const [digest] = [...paths].find(([, path]) => path === join(folder, 'serving.json'))!;
  return { digest, bytes: 0, mediaType: 'application/json' };
}

/** The folder that a URL names, when it is below the root; links that lead out of it are not followed. */
async function folderOf(root: string, url: string): Promise<string> {
  const asked = resolve(url.startsWith('file://') ? fileURLToPath(url) : url);
  const [real, realRoot] = await Promise.all([realpath(asked).catch(() => null), realpath(root).catch(() => null)]);
  if (real === null || realRoot === null) throw new PerennialError('ArtifactRejected', `${url} is no folder that can be read`);
  if (real !== realRoot && !real.startsWith(realRoot + sep))
    throw new PerennialError('ArtifactRejected', `${url} is not below ${root}: bring the package there`);
  return real;
}

function folderObjects(root: string, entries: ReadonlyMap<string, Entry>): ObjectStore {
  const readOnly = (): Promise<never> =>
    Promise.reject(new PerennialError('Unavailable', 'nothing can be stored here: this gateway has no object store', { retryable: false }));
  const pathOf = (digest: string): string => {
    for (const { paths } of entries.values()) {
      const path = paths.get(digest);
      if (path !== undefined) return path;
    }
    throw absentObject(digest, root);
  };
  return {
    put: readOnly,
    putFile: readOnly,
    async get(digest) {
      const bytes = await readFile(pathOf(digest));
      const found = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      if (found !== digest) throw otherBytes({ digest, found, store: root });
      return bytes;
    },
    getFile: (digest) => Promise.reject(absentObject(digest, root)),
    has: (digest) => Promise.resolve([...entries.values()].some(({ paths }) => paths.has(digest))),
  };
}
