import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { chooseVersion } from '../routing/routing-table.js';

/**
 * `GET /v1/models/{m}[/versions/{v}]`: the state of each version as TensorFlow Serving tells it, with the name and
 * readiness that KServe's clients read.
 */
export function v1Status(tables: RoutingTable, of: { model: string; version: string | null }): Reply {
  const table = tables.need(of.model);
  const versions = of.version === null ? [...table.versions.keys()] : [chooseVersion(table, { version: of.version, key: null }).version];
  return json(200, {
    name: of.model,
    ready: of.version !== null || table.champion !== null,
    model_version_status: versions.map((version) => ({
      version,
      state: 'AVAILABLE',
      status: { error_code: 'OK', error_message: '' },
    })),
  });
}
