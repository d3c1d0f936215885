import { Server, status } from '@grpc/grpc-js';
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import type { GatewayConfig } from '../gateway-config.js';
import type { RequestError } from '../http/request-error.js';
import { type GrpcListener, grpcListener } from './grpc-listener.js';
import { healthOf } from './health.js';
import type { InferenceDeps } from './inference-call.js';
import { textOf } from './inference-call.js';
import { inferenceService } from './inference-service.js';
import type { UnaryName } from './inference-service.js';
import { inferStreams } from './infer-streams.js';
import { LongCalls } from './long-calls.js';
import { routedRpcs } from './route-calls.js';
import { SlowSenders } from './slow-senders.js';
import { statusOf } from './status.js';
import type { AskRoute, Outcome } from './unary-calls.js';
import { modelInfer, routedCall } from './unary-calls.js';

export type GrpcDeps = InferenceDeps & {
  readonly config: Pick<
    GatewayConfig,
    | 'host'
    | 'grpcPort'
    | 'grpcPortMayMove'
    | 'grpcProto'
    | 'grpcTls'
    | 'grpcMaxStreams'
    | 'grpcMaxInFlight'
    | 'maxBodyBytes'
    | 'maxConnections'
    | 'followEveryMs'
    | 'requestTimeoutMs'
  >;
  readonly ask: AskRoute;
  /** An error as the gateway tells it; logs what nobody expected. */
  readonly tell: (error: unknown, where: string) => RequestError;
  /** Counts a call by its name, the name of its status, and the model that it named. */
  readonly count: (rpc: string, status: string, model: string | null) => void;
  /** Whether new requests are answered. */
  readonly ready: () => boolean;
};

/** The gRPC side of a gateway. */
export type GrpcServer = {
  /** Listens; answers `host:port`. `Conflict` when the port is taken. */
  listen(): Promise<string>;
  /** Looks at the health again, for those who watch it. */
  look(): void;
  /** Takes no new calls, lets those at work finish (at most `limitMs`), closes the rest. */
  close(limitMs: number): Promise<void>;
};

/** The Open Inference Protocol over gRPC, with health and reflection. */
export function grpcServer(deps: GrpcDeps): GrpcServer {
  const { config } = deps;
  const service = inferenceService(config.grpcProto);
  const outcome: Outcome = {
    succeeded: (rpc, model) => deps.count(rpc, 'OK', model),
    failed(rpc, error, model) {
      const told = statusOf(deps.tell(error, rpc));
      deps.count(rpc, status[told.code]!, model);
      return told;
    },
    faulted: (rpc, error) => void deps.tell(error, rpc),
  };
  const limits = { maxRequests: config.grpcMaxInFlight, maxBytes: config.maxBodyBytes };
  const streams = inferStreams({ ...deps, outcome, limits });
  const longCalls = new LongCalls();
  const health = healthOf(deps.ready);
  const slowSenders = new SlowSenders(config.requestTimeoutMs);
  const server = new Server({
    interceptors: [slowSenders.interceptor],
    'grpc.max_receive_message_length': config.maxBodyBytes,
    'grpc.max_concurrent_streams': config.grpcMaxStreams,
    // A caller that vanished is noticed, and its streams end.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.enable_channelz': 0,
  });
  const routed = (Object.keys(routedRpcs) as UnaryName[]).map(
    (name) => [name, routedCall(name, { service, ask: deps.ask, outcome })] as const,
  );
  const handlers = { ...Object.fromEntries(routed), ModelInfer: modelInfer(deps, outcome), ModelStreamInfer: streams.handler };
  server.addService(service.definition, handlers as UntypedServiceImplementation);
  health.addTo(longCalls.of(server));
  new ReflectionService(service.descriptions).addToServer(
    longCalls.of(server, async (metadata) => {
      try {
        const shown = { authorization: textOf(metadata, 'authorization'), apiKey: textOf(metadata, 'x-api-key') };
        await deps.admit({ ...shown, role: 'predict', model: null });
        return null;
      } catch (error) {
        return outcome.failed('ServerReflectionInfo', error, null);
      }
    }),
  );
  let watch: NodeJS.Timeout | undefined;
  let listener: GrpcListener | undefined;
  return {
    look: health.look,
    async listen() {
      listener = await grpcListener(server, config);
      watch = setInterval(health.look, config.followEveryMs);
      slowSenders.start();
      return listener.address;
    },
    async close(limitMs) {
      clearInterval(watch);
      listener?.close();
      health.look();
      streams.drain();
      longCalls.end();
      let limit: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        // A connection whose other end is gone or broken may take a minute to be noticed: it is not waited for.
        limit = setTimeout(resolve, limitMs);
        server.tryShutdown(() => resolve());
      });
      clearTimeout(limit);
      server.forceShutdown();
      slowSenders.stop();
    },
  };
}
