import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { PerennialError } from '../../domain/errors.js';
import type { GatewayConfig } from '../gateway-config.js';

export type GrpcListener = {
  /** `host:port`. */
  readonly address: string;
  /** Takes no new connections. */
  close(): void;
};

type ListenConfig = Pick<GatewayConfig, 'host' | 'grpcPort' | 'grpcPortMayMove' | 'grpcTls' | 'maxConnections'>;

/**
 * Listens for a gRPC server, which knows no bound on its connections itself: those beyond `maxConnections` are closed. Rejects
 * with `Conflict` when the port is taken and may not move.
 */
export async function grpcListener(server: Server, config: ListenConfig): Promise<GrpcListener> {
  const injector = server.createConnectionInjector(credentials(config.grpcTls));
  try {
    return await listen(injector, config);
  } catch (error) {
    if (!config.grpcPortMayMove) throw error;
    return listen(injector, { ...config, grpcPort: 0 });
  }
}

type Injector = ReturnType<Server['createConnectionInjector']>;

function listen(injector: Injector, { host, grpcPort, maxConnections }: ListenConfig): Promise<GrpcListener> {
  const named = host.includes(':') ? `[${host}]` : host;
  const listener = createServer({ noDelay: true }, (socket) => injector.injectConnection(socket));
  listener.maxConnections = maxConnections;
  return new Promise((resolve, reject) => {
    listener.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'the port is taken: choose another one, or 0 for a free one' : error.message;
      reject(new PerennialError('Conflict', `the gateway cannot listen for gRPC on ${named}:${grpcPort}: ${reason}`, { cause: error }));
    });
    listener.listen({ port: grpcPort ?? 0, host }, () => {
      const { port } = listener.address() as AddressInfo;
      resolve({ address: `${named}:${port}`, close: () => void listener.close() });
    });
  });
}

function credentials(tls: GatewayConfig['grpcTls']): ServerCredentials {
  if (tls === null) return ServerCredentials.createInsecure();
  return ServerCredentials.createSsl(
    tls.clientAuthority === null ? null : Buffer.from(tls.clientAuthority),
    [{ cert_chain: Buffer.from(tls.certificate), private_key: Buffer.from(tls.key) }],
    tls.clientAuthority !== null,
  );
}
