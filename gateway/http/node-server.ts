import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GatewayConfig } from '../gateway-config.js';
import { responseSink } from './piece-sinks.js';
import type { Reply } from './reply.js';
import { sendStream } from './streamed-reply.js';
import { refuseOldVersion } from './unreadable-request.js';
import type { GatewayRequest } from './whole-request.js';

export type NodeServerDeps = {
  /** Answers every request; neither throws nor rejects. */
  readonly handle: (request: GatewayRequest) => Reply | Promise<Reply>;
  /** Whether answers advise to connect anew. */
  isDraining(): boolean;
  /** What came on a connection cannot be read, or it broke. */
  broken(error: NodeJS.ErrnoException, socket: Duplex): void;
};

type Sending = { readonly draining: boolean; readonly timeoutMs: number };

const maxHeaderBytes = 16 * 1024;

/** The server of `node:http` around `handle`: it reads every form of HTTP/1 that there is, within the limits. */
export function nodeServer(config: GatewayConfig, { handle, isDraining, broken }: NodeServerDeps): Server {
  const server = createServer(
    {
      keepAliveTimeout: config.keepAliveTimeoutMs,
      headersTimeout: config.headersTimeoutMs,
      requestTimeout: config.requestTimeoutMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: maxHeaderBytes,
      noDelay: true,
    },
    (request, response) => {
      if (request.httpVersionMajor < 1) return refuseOldVersion(response);
      Promise.resolve(handle(request))
        .then((reply) => send(response, reply, { draining: isDraining(), timeoutMs: config.sendTimeoutMs }))
        // Neither may a fault of ours end the process, nor leave the caller waiting.
        .catch(() => response.destroy());
    },
  );
  server.maxConnections = config.maxConnections;
  server.on('clientError', broken);
  return server;
}

function send(response: ServerResponse, reply: Reply, { draining, timeoutMs }: Sending): Promise<void> | void {
  if (reply.stream !== undefined) return sendStream(responseSink(response, draining), { ...reply, stream: reply.stream }, timeoutMs);
  const headers = ['Content-Type', reply.contentType, 'Content-Length', String(Buffer.byteLength(reply.body))];
  for (const name in reply.headers) headers.push(name, reply.headers[name]!);
  if (draining) headers.push('Connection', 'close');
  response.writeHead(reply.status, headers);
  response.end(reply.body);
  // What the caller does not read stays in memory: not for ever.
  if (response.writableLength > 0) {
    const limit = setTimeout(() => response.destroy(), timeoutMs);
    response.once('close', () => clearTimeout(limit));
  }
  reply.sent?.(reply);
}
