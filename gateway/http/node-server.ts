import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GatewayConfig } from '../gateway-config.js';
import { type Due, OpenExchanges } from './open-exchanges.js';
import { responseSink } from './piece-sinks.js';
import type { Reply } from './reply.js';
import { sendStream } from './streamed-reply.js';
import { refuseHosts, refuseOldVersion } from './unreadable-request.js';
import type { GatewayRequest } from './whole-request.js';

export type NodeServerDeps = {
  /** Answers every request; neither throws nor rejects. */
  readonly handle: (request: GatewayRequest) => Reply | Promise<Reply>;
  /** Whether answers advise to connect anew. */
  isDraining(): boolean;
  /** What came on a connection cannot be read, or it broke; the requests that came before it are answered. */
  broken(error: NodeJS.ErrnoException, socket: Duplex, due: Due): void;
};

type Sending = { readonly draining: boolean; readonly timeoutMs: number };

const maxHeaderBytes = 16 * 1024;

/** The server of `node:http` around `handle`: it reads every form of HTTP/1 that there is, within the limits. */
export function nodeServer(config: GatewayConfig, { handle, isDraining, broken }: NodeServerDeps): Server {
  const exchanges = new OpenExchanges();
  const server = createServer(
    {
      keepAliveTimeout: config.keepAliveTimeoutMs,
      headersTimeout: config.headersTimeoutMs,
      requestTimeout: config.requestTimeoutMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: maxHeaderBytes,
      noDelay: true,
      // `hasOneHost` looks at it, and counts them.
      requireHostHeader: false,
    },
    (request, response) => {
      exchanges.begin(request, response);
      if (request.httpVersionMajor < 1) return refuseOldVersion(response);
      if (!hasOneHost(request)) return refuseHosts(response);
      Promise.resolve(handle(request))
        .then((reply) => send(response, reply, { draining: isDraining(), timeoutMs: config.sendTimeoutMs }))
        // Neither may a fault of ours end the process, nor leave the caller waiting.
        .catch(() => response.destroy());
    },
  );
  server.maxConnections = config.maxConnections;
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return broken(error, socket, 'break');
    exchanges.whenAnswered(socket, (due) => broken(error, socket, due));
  });
  return server;
}

/** Whether a request names its host once, as HTTP/1.1 wants it: of two, a proxy in front may look at one and we at the other. */
function hasOneHost({ rawHeaders, httpVersion }: IncomingMessage): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]!.length === 4 && rawHeaders[i]!.toLowerCase() === 'host') hosts++;
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0');
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
