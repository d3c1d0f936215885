import { join } from 'node:path';
import { PerennialError } from '../../../domain/errors.js';
import { placesFor } from '../../../tools/places.mjs';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The folders of one world, and the bundles that its processes run. */
export type World = ReturnType<typeof placesFor> & {
  /** Bundled programs and workflows. */
  readonly build: string;
  readonly namespace: string;
  /** Which processes an `up` of this world started. */
  readonly record: string;
  readonly env: Environment;
};

/** @throws PerennialError when it was not started by `./perennial`, which tells where the bundles lie */
export function worldOf(env: Environment): World {
  const build = env['PERENNIAL_BUILD'];
  if (build === undefined) {
    throw new PerennialError('DataInvalid', 'PERENNIAL_BUILD is not set: start it with ./perennial up, which bundles the programs first.');
  }
  const places = placesFor(env);
  return { ...places, build, namespace: env['TEMPORAL_NAMESPACE'] ?? 'default', record: join(places.home, 'processes.json'), env };
}
