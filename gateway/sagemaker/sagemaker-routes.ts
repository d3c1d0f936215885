import type { NamedObjects } from '../../activities/ports.js';
import type { GatewayConfig } from '../gateway-config.js';
import { CallerGone } from '../http/caller-gone.js';
import type { ContainerEndpoint, InvocationEndpoint } from '../http/endpoint.js';
import type { Reply } from '../http/reply.js';
import type { GatewayRequest } from '../http/whole-request.js';
import type { JobQueue } from '../jobs/job-queue.js';
import type { BodyReader } from '../oip/body-reader.js';
import type { Predictor } from '../prediction/predictor.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { invokeAsync } from './async-invocation.js';
import type { ContainerMode } from './container-endpoint.js';
import { answerContainer } from './container-endpoint.js';
import { invokeWithResponseStream } from './response-stream.js';
import { invoke } from './sagemaker-endpoint.js';
import { Sessions } from './sessions.js';

export type SageMakerDeps = {
  readonly tables: RoutingTable;
  readonly queue: JobQueue;
  readonly named: NamedObjects | null;
  readonly mode: ContainerMode | null;
  readonly config: Pick<GatewayConfig, 'sessionTtlMs' | 'maxJsonDepth' | 'memoryBudgetBytes'>;
  readonly bodies: BodyReader;
  readonly ready: () => boolean;
};

export type SageMakerCall = {
  readonly request: GatewayRequest;
  readonly body: () => Promise<Buffer>;
  readonly arrivedMs: number;
  readonly predictor: Predictor;
};

/** Answers what SageMaker's clients, and SageMaker itself, ask. */
export function sageMakerRoutes({ tables, queue, named, mode, config, bodies, ready }: SageMakerDeps) {
  const shared = { tables, sessions: new Sessions(config.sessionTtlMs), bodies, maxJsonDepth: config.maxJsonDepth };
  const { memoryBudgetBytes } = config;
  return async (
    endpoint: InvocationEndpoint | ContainerEndpoint,
    { request, body, arrivedMs, predictor }: SageMakerCall,
  ): Promise<Reply> => {
    const { headers } = request;
    const cancel = new CallerGone(request.socket);
    const deps = { ...shared, predictor };
    if (endpoint.kind === 'invocations') return invoke(deps, { model: endpoint.model, headers, body: await body(), arrivedMs, cancel });
    if (endpoint.kind === 'invocationsStream')
      return invokeWithResponseStream(deps, { model: endpoint.model, headers, body: await body(), arrivedMs, cancel });
    if (endpoint.kind === 'invocationsAsync')
      return invokeAsync({ ...shared, queue, named }, { model: endpoint.model, headers, body: await body() });
    const call = { headers, body, arrivedMs, cancel, url: request.url ?? '' };
    return answerContainer({ ...deps, mode, memoryBudgetBytes, ready }, endpoint, call);
  };
}
