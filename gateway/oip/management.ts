import type { GatewayConfig } from '../gateway-config.js';
import type { Endpoint } from '../http/endpoint.js';
import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import { RequestError } from '../http/request-error.js';
import type { ModelRepository } from '../models/repository.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { v1Status } from '../v1/model-status.js';
import type { LogSettings } from './log-settings.js';
import { modelConfig } from './model-config.js';
import { repositoryIndex, repositoryLoad, repositoryUnload } from './repository-endpoint.js';
import { statistics } from './statistics.js';
import type { TraceSettings } from './trace-settings.js';

export type ManagementDeps = {
  readonly tables: RoutingTable;
  readonly repository: Pick<ModelRepository, 'index' | 'load' | 'unload'>;
  readonly logging: LogSettings;
  readonly traceSettings: TraceSettings;
  readonly config: Pick<GatewayConfig, 'maxBatchRows' | 'maxWaiting' | 'answerLimitMs' | 'maxJsonDepth'>;
};

/** The endpoints of the protocol's extensions, beside inference, and of TensorFlow Serving's model status. */
export type ManagementEndpoint = Extract<
  Endpoint,
  {
    readonly kind:
      | 'modelConfig'
      | 'statistics'
      | 'allStatistics'
      | 'repositoryIndex'
      | 'repositoryLoad'
      | 'repositoryUnload'
      | 'logSettings'
      | 'changeLogSettings'
      | 'traceSettings'
      | 'changeTraceSettings'
      | 'sharedMemory'
      | 'v1Models'
      | 'v1Status';
  }
>;

/** Answers an endpoint of the extensions. Throws a `RequestError`. */
export async function manage(deps: ManagementDeps, endpoint: ManagementEndpoint, body: () => Promise<Buffer>): Promise<Reply> {
  const { tables, logging, traceSettings, config } = deps;
  const of = { repository: deps.repository, maxJsonDepth: config.maxJsonDepth };
  switch (endpoint.kind) {
    case 'modelConfig':
      return modelConfig(tables, endpoint, config);
    case 'statistics':
      return statistics(tables, endpoint);
    case 'allStatistics':
      return statistics(tables, { model: null, version: null });
    case 'repositoryIndex':
      return repositoryIndex(of, { ...endpoint, body: await body() });
    case 'repositoryLoad':
      return repositoryLoad(of, { ...endpoint, body: await body() });
    case 'repositoryUnload':
      return repositoryUnload(of, { ...endpoint, body: await body() });
    case 'logSettings':
      return logging.tell();
    case 'changeLogSettings':
      return logging.change(await body(), config.maxJsonDepth);
    case 'traceSettings':
      if (endpoint.model !== undefined) tables.need(endpoint.model);
      return traceSettings.tell();
    case 'changeTraceSettings':
      if (endpoint.model === undefined) return traceSettings.change(await body(), config.maxJsonDepth);
      throw new RequestError('notImplemented', 'models have no trace settings of their own: change them for all at /v2/trace/setting');
    case 'sharedMemory':
      throw new RequestError(
        'notImplemented',
        'this server shares no memory with its callers: send tensors in the request, as bytes for speed',
      );
    case 'v1Models':
      return json(200, { models: tables.models });
    case 'v1Status':
      return v1Status(tables, endpoint);
  }
}
