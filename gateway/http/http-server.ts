import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PerennialError } from '../../domain/errors.js';
import type { GatewayConfig } from '../gateway-config.js';
import type { Reply } from './reply.js';
import { sendStream } from './streamed-reply.js';

export type HttpServer = {
  /** Listens; answers the address. `Conflict` when the port is taken. */
  listen(): Promise<string>;
  /** Takes no new connections, lets the requests at work finish (at most `limitMs`), closes the rest. */
  close(limitMs: number): Promise<void>;
};

const maxHeaderBytes = 16 * 1024;

/** The HTTP server around `handle`, which answers every request and never rejects. */
export function httpServer(config: GatewayConfig, handle: (request: IncomingMessage) => Promise<Reply>): HttpServer {
  let draining = false;
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
      void handle(request).then((reply) => send(response, reply, draining));
    },
  );
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const status =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? '431 Request Header Fields Too Large'
        : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? '408 Request Timeout'
          : '400 Bad Request';
    const body = JSON.stringify({ error: `this is no HTTP request that can be read: ${status}` });
    socket.end(
      `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
  });
  return {
    listen: () => listen(server, config),
    async close(limitMs) {
      draining = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const limit = setTimeout(() => server.closeAllConnections(), limitMs);
      await closed;
      clearTimeout(limit);
    },
  };
}

function send(response: ServerResponse, reply: Reply, draining: boolean): void {
  if (reply.stream !== undefined) return void sendStream(response, { ...reply, stream: reply.stream }, draining);
  const headers: Record<string, string | number> = { 'Content-Type': reply.contentType, 'Content-Length': Buffer.byteLength(reply.body) };
  if (reply.headers !== undefined) Object.assign(headers, reply.headers);
  if (draining) headers['Connection'] = 'close';
  response.writeHead(reply.status, headers);
  response.end(reply.body);
  reply.sent?.();
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
