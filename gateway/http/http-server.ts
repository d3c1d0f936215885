import type { Server } from 'node:http';
import { Server as NetServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { PerennialError } from '../../domain/errors.js';
import type { GatewayConfig } from '../gateway-config.js';
import { HeldRefusals } from './held-refusals.js';
import { nodeServer } from './node-server.js';
import type { Due } from './open-exchanges.js';
import { QuickLane } from './quick-lane.js';
import type { Reply } from './reply.js';
import { ReplyHeads } from './reply-heads.js';
import { RequestTurns } from './request-turns.js';
import { TurnEnd } from './turn-end.js';
import { refuseUnreadable } from './unreadable-request.js';
import type { GatewayRequest } from './whole-request.js';

export type HttpServer = {
  /** Connections that are open now. */
  readonly connections: number;
  /** Requests that were read and wait for their turn. */
  readonly waiting: number;
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

/**
 * The HTTP server around `handle`, which answers every request and neither throws nor rejects. Each connection begins in
 * the quick lane; `node:http` gets those on which something unusual comes.
 */
export function httpServer(config: GatewayConfig, handle: (request: GatewayRequest) => Reply | Promise<Reply>): HttpServer {
  let draining = false;
  let unreadable = 0;
  let connections = 0;
  const isDraining = (): boolean => draining;
  const broken = (error: NodeJS.ErrnoException, socket: Duplex, due?: Due): void => {
    unreadable++;
    refuseUnreadable(error, socket, { due, limitMs: config.sendTimeoutMs });
  };
  const server = nodeServer(config, { handle, isDraining, broken });
  const takeOver = soleListener(server);
  const turns = new RequestTurns();
  const lane = new QuickLane({
    config,
    handle,
    heads: new ReplyHeads(config.keepAliveTimeoutMs),
    refusals: new HeldRefusals(),
    turns,
    turnEnd: new TurnEnd(),
    isDraining,
    broken,
    handOver(socket, unread) {
      // Paused until the other listens, so that it reads these bytes first.
      socket.pause();
      socket.unshift(unread);
      takeOver(socket);
      socket.resume();
    },
  });
  server.on('connection', (socket) => {
    connections++;
    turns.accepted();
    socket.once('close', () => connections--);
    lane.take(socket);
  });
  return {
    get connections() {
      return connections;
    },
    get waiting() {
      return turns.waiting;
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
      lane.closeIdle();
      const limit = setTimeout(() => {
        server.closeAllConnections();
        lane.closeAll();
      }, limitMs);
      await closed;
      clearTimeout(limit);
      lane.closeAll();
    },
  };
}

/** Takes from the server of `node:http` what it does with a new connection, to do that later. */
function soleListener(server: Server): (socket: Socket) => void {
  const [listener] = server.listeners('connection');
  server.removeAllListeners('connection');
  return (socket) => void listener!.call(server, socket);
}

/** Connections that wait to be accepted; the system may allow fewer. Beyond it a caller tries again after a second. */
const backlog = 4_096;

function listen(server: Server, config: GatewayConfig): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'the port is taken: choose another one, or 0 for a free one' : error.message;
      reject(new PerennialError('Conflict', `the gateway cannot listen on ${config.host}:${config.port}: ${reason}`, { cause: error }));
    });
    server.listen({ port: config.port, host: config.host, backlog }, () => {
      const { port, family, address } = server.address() as AddressInfo;
      resolve(`http://${family === 'IPv6' ? `[${address}]` : address}:${port}`);
    });
  });
}
