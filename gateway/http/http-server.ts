import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { PerennialError } from '../../domain/errors.js';
import type { GatewayConfig } from '../gateway-config.js';
import type { Reply } from './reply.js';
import { sendStream } from './streamed-reply.js';
import type { Sending } from './streamed-reply.js';
import { refuseOldVersion, refuseUnreadable } from './unreadable-request.js';

export type HttpServer = {
  /** Connections that are open now. */
  readonly connections: number;
  /** Requests that could not be read as HTTP, or broke off or took too long before they could. */
  readonly unreadable: number;
  /** Listens; answers the address. `Conflict` when the port is taken. */
  listen(): Promise<string>;
  /**
   * Takes no new connections, answers those that are kept for a while with the advice to connect anew, lets the requests at
   * work finish (at most `limitMs`), and closes the rest.
   */
  close(limitMs: number): Promise<void>;
};

const maxHeaderBytes = 16 * 1024;

/** The HTTP server around `handle`, which answers every request and never rejects. */
export function httpServer(config: GatewayConfig, handle: (request: IncomingMessage) => Promise<Reply>): HttpServer {
  let draining = false;
  let unreadable = 0;
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
      handle(request)
        .then((reply) => send(response, reply, { draining, timeoutMs: config.sendTimeoutMs }))
        // Neither may a fault of ours end the process, nor leave the caller waiting.
        .catch(() => response.destroy());
    },
  );
  server.maxConnections = config.maxConnections;
  let connections = 0;
  server.on('connection', (socket) => {
    connections++;
    socket.once('close', () => connections--);
  });
  server.on('clientError', (error, socket) => {
    unreadable++;
    refuseUnreadable(error, socket);
  });
  return {
    get connections() {
      return connections;
    },
    get unreadable() {
      return unreadable;
    },
    listen: () => listen(server, config),
    async close(limitMs) {
      draining = true;
      // Only the port is closed first. A connection that is kept is not cut off while its caller may be about to send: its
      // next answer advises to connect anew, which is to another gateway.
      const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
      const allGone = new AbortController();
      void closed.then(() => allGone.abort());
      await delay(config.drainNoticeMs, undefined, { signal: allGone.signal }).catch(() => undefined);
      // What is idle now has been so for all that time.
      server.close();
      const limit = setTimeout(() => server.closeAllConnections(), limitMs);
      await closed;
      clearTimeout(limit);
    },
  };
}

function send(response: ServerResponse, reply: Reply, sending: Sending): Promise<void> | void {
  if (reply.stream !== undefined) return sendStream(response, { ...reply, stream: reply.stream }, sending);
  const headers = ['Content-Type', reply.contentType, 'Content-Length', String(Buffer.byteLength(reply.body))];
  for (const name in reply.headers) headers.push(name, reply.headers[name]!);
  if (sending.draining) headers.push('Connection', 'close');
  response.writeHead(reply.status, headers);
  response.end(reply.body);
  // What the caller does not read stays in memory: not for ever.
  if (response.writableLength > 0) {
    const limit = setTimeout(() => response.destroy(), sending.timeoutMs);
    response.once('close', () => clearTimeout(limit));
  }
  reply.sent?.(reply);
}

function listen(server: Server, config: GatewayConfig): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'the port is taken: choose another one, or 0 for a free one' : error.message;
      reject(new PerennialError('Conflict', `the gateway cannot listen on ${config.host}:${config.port}: ${reason}`, { cause: error }));
    });
    server.listen(config.port, config.host, () => {
      const { port, family, address } = server.address() as AddressInfo;
      resolve(`http://${family === 'IPv6' ? `[${address}]` : address}:${port}`);
    });
  });
}
