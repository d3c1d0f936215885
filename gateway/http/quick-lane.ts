import type { Socket } from 'node:net';
import type { GatewayConfig } from '../gateway-config.js';
import { QuickConnection, type QuickDeps } from './quick-connection.js';

export type QuickLaneSettings = Omit<QuickDeps, 'left' | 'sendTimeoutMs'> & {
  readonly config: Pick<GatewayConfig, 'headersTimeoutMs' | 'keepAliveTimeoutMs' | 'sendTimeoutMs'>;
};

/** How often the connections are looked at. */
const turnMs = 500;
/** `node:http` keeps a connection this much longer than it tells, so that both ends do not let go at the same moment. */
const keptLongerMs = 1_000;

/**
 * The way of a connection whose requests are as nearly all are: whole, small, one after the other. They are read and
 * answered here, at a fraction of what `node:http` takes, which is handed every other connection. One clock looks after
 * the time limits of all, so that a request costs none.
 */
export class QuickLane {
  readonly #deps: QuickDeps;
  readonly #config: QuickLaneSettings['config'];
  readonly #connections = new Set<QuickConnection>();
  #clock: NodeJS.Timeout | undefined;

  constructor({ config, ...deps }: QuickLaneSettings) {
    this.#config = config;
    this.#deps = { ...deps, sendTimeoutMs: config.sendTimeoutMs, left: (connection) => this.#connections.delete(connection) };
  }

  /** Takes a new connection. */
  take(socket: Socket): void {
    this.#clock ??= setInterval(() => this.#turn(), turnMs).unref();
    this.#connections.add(new QuickConnection(socket, this.#deps));
  }

  /** Ends the connections on which no request is under way, and those on which none ever came. */
  closeIdle(): void {
    for (const connection of this.#connections) {
      const { state, isUnread } = connection;
      if (state === 'fresh' || (state === 'idle' && !isUnread)) connection.destroy();
    }
  }

  /** Ends all connections. */
  closeAll(): void {
    for (const connection of this.#connections) connection.destroy();
    clearInterval(this.#clock);
    this.#clock = undefined;
  }

  #turn(): void {
    for (const connection of this.#connections) this.#look(connection, connection.turn() * turnMs);
  }

  #look(connection: QuickConnection, quietMs: number): void {
    const { headersTimeoutMs, keepAliveTimeoutMs, sendTimeoutMs } = this.#config;
    switch (connection.state) {
      case 'fresh':
        if (quietMs > headersTimeoutMs)
          connection.refuse(Object.assign(new Error('no request came'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }));
        return;
      case 'begun':
        // From here on node:http counts.
        if (quietMs > turnMs) connection.handOver();
        return;
      case 'idle':
        if (quietMs > (connection.isUnread ? sendTimeoutMs : keepAliveTimeoutMs + keptLongerMs)) connection.destroy();
        return;
      case 'closing':
        if (quietMs > sendTimeoutMs) connection.destroy();
        return;
      case 'working':
      case 'left':
    }
  }
}
