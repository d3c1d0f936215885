import type { Kysely } from 'kysely';
import type { RouteSource, ServableVersion } from '../../../activities/ports.js';
import { PerennialError } from '../../../domain/errors.js';
import type { Database } from '../database.js';
import { acknowledge, dropLease, renewLease } from './gateways.js';
import { followChannel } from './follow-channel.js';
import { routesChannel, toRoute } from './route-state.js';

/**
 * What a gateway needs of the registry, from Postgres. `url` is used for the connection that listens, which is not one
 * of the pool's.
 */
export function createRouteSource(db: Kysely<Database>, url: string): RouteSource {
  return {
    async routes() {
      return (await db.selectFrom('routes').selectAll().orderBy('model').execute()).map(toRoute);
    },
    version: (model, version) => servableVersion(db, model, version),
    follow: (onChange) => followChannel({ url, channel: routesChannel, pollMs: 1_000, onChange }),
    renewLease: (gateway) => renewLease(db, gateway),
    dropLease: (id) => dropLease(db, id),
    acknowledge: (ack) => acknowledge(db, ack),
  };
}

/** A version with its package; `ArtifactRejected` when the registry has no such version. */
export async function servableVersion(db: Kysely<Database>, model: string, version: string): Promise<ServableVersion> {
  const row = await db
    .selectFrom('versions')
    .select('package')
    .where('model', '=', model)
    .where('version', '=', version)
    .executeTakeFirst();
  if (row === undefined)
    throw new PerennialError(
      'ArtifactRejected',
      `There is no version ${version} of ${model} in the registry; ./perennial versions ${model} lists those that exist.`,
    );
  return { model, version, package: row.package };
}
