import { once } from 'node:events';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { gatewayConfig, type GatewayConfig } from '../../../gateway/gateway-config.js';
import { BodyRoom } from '../../../gateway/http/body-room.js';
import { httpServer, type HttpServer } from '../../../gateway/http/http-server.js';
import { nodeServer } from '../../../gateway/http/node-server.js';
import type { Reply } from '../../../gateway/http/reply.js';
import { readBody } from '../../../gateway/http/request-body.js';
import { refuseUnreadable } from '../../../gateway/http/unreadable-request.js';
import { type GatewayRequest, WholeRequest } from '../../../gateway/http/whole-request.js';

export type Handle = (request: GatewayRequest) => Reply | Promise<Reply>;

/** The same handler behind the gateway's HTTP server, and behind `node:http` alone. */
export type Fronts = {
  readonly quick: HttpServer;
  readonly quickUrl: string;
  readonly plainUrl: string;
  /** Requests that came through the quick lane so far. */
  readonly quickly: () => number;
  readonly close: () => Promise<void>;
};

export async function openFronts(handle: Handle, limits: Partial<GatewayConfig> = {}): Promise<Fronts> {
  const config = gatewayConfig({ id: 'fronts', host: '127.0.0.1', port: 0, folder: '', drainNoticeMs: 0, ...limits });
  let quickly = 0;
  const quick = httpServer(config, (request) => {
    if (request instanceof WholeRequest) quickly++;
    return handle(request);
  });
  const plain = nodeServer(config, {
    handle,
    isDraining: () => false,
    broken: (error, socket, due) => refuseUnreadable(error, socket, { due, limitMs: 1_000 }),
  });
  plain.listen(0, '127.0.0.1');
  await once(plain, 'listening');
  return {
    quick,
    quickUrl: await quick.listen(),
    plainUrl: `http://127.0.0.1:${(plain.address() as AddressInfo).port}`,
    quickly: () => quickly,
    async close() {
      plain.close();
      plain.closeAllConnections();
      await quick.close(0);
    },
  };
}

const limits = { maxBytes: 200_000, room: new BodyRoom(1_000_000) };

/** Answers what it was asked: all of a request that the rest of the gateway can see. */
export function echo(request: GatewayRequest): Reply | Promise<Reply> {
  const { method, url, headers, httpVersion } = request;
  const told = (body: Buffer): Reply => ({
    status: url === '/missing' ? 404 : 200,
    contentType: 'application/json',
    body: JSON.stringify({ method, url, headers, httpVersion, body: body.toString('latin1') }),
    headers: url === '/more' ? { 'Retry-After': '1', 'X-More': 'a, b' } : {},
  });
  const body = readBody(request, limits);
  return body instanceof Promise ? body.then(told, refusal) : told(body);
}

function refusal(error: Error): Reply {
  return { status: 400, contentType: 'application/json', body: JSON.stringify({ error: error.message }) };
}

/**
 * Sends the pieces one after the other, so that each is received by itself, and then ends its side. Answers all that came
 * back, without what the clock says.
 */
export async function talk(url: string, pieces: readonly Buffer[]): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, noDelay: true, allowHalfOpen: true });
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  // A reset is an end like others: what came before it counts.
  socket.on('error', () => undefined);
  const closed = once(socket, 'close').catch(() => undefined);
  await once(socket, 'connect');
  for (const piece of pieces) {
    socket.write(piece);
    for (let turns = 0; turns < 4; turns++) await turn();
  }
  socket.end();
  socket.on('end', () => socket.destroy());
  await closed;
  return text.replaceAll(/^Date: .*\r\n/gm, '');
}

/** The answers in what was received, one after the other. */
export const answersOf = (received: string): string[] => received.split(/(?=HTTP\/1\.1 \d{3} )/);

/** The pieces as a failed test tells them. */
export function inspect(pieces: readonly Buffer[]): string {
  return JSON.stringify(pieces.map((piece) => piece.toString('latin1').slice(0, 2_000)));
}
