import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import type { HostedVersion } from '../models/hosted-version.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { chooseVersion } from '../routing/routing-table.js';

/**
 * `GET /v1/models/{m}[/versions/{v}]`: the state of each version as TensorFlow Serving tells it, with the name and
 * readiness that KServe's clients read.
 */
export function v1Status(tables: RoutingTable, of: { model: string; version: string | null }): Reply {
  const table = tables.need(of.model);
  const versions = of.version === null ? [...table.versions.values()] : [chooseVersion(table, { version: of.version, key: null })];
  const asked = of.version === null ? table.champion : versions[0]!;
  return json(200, {
    name: of.model,
    ready: asked !== null && stateOf(asked) === 'AVAILABLE',
    model_version_status: versions.map((version) => {
      const state = stateOf(version);
      const status =
        state === 'AVAILABLE' ? { error_code: 'OK', error_message: '' } : { error_code: 'UNAVAILABLE', error_message: version.reason };
      return { version: version.version, state, status };
    }),
  });
}

/** The states of TensorFlow Serving. A version that its next request loads can be asked, as one that is loaded can. */
function stateOf({ state }: HostedVersion): 'AVAILABLE' | 'UNLOADING' | 'END' {
  if (state === 'unloading') return 'UNLOADING';
  return state === 'held' || state === 'released' ? 'END' : 'AVAILABLE';
}
