import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** What is asked of the connection of a request: whether it has ended. */
export type CallerConnection = { readonly destroyed: boolean };

type Parts = Pick<WholeRequest, 'method' | 'url' | 'headers' | 'body' | 'socket'>;

/** A request whose head and body were there before anybody looked at it. */
export class WholeRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly socket: CallerConnection;
  /** When it was there, by `performance.now()`. */
  readonly arrivedMs = performance.now();

  constructor({ method, url, headers, body, socket }: Parts) {
    this.method = method;
    this.url = url;
    this.headers = headers;
    this.body = body;
    this.socket = socket;
  }

  get httpVersion(): '1.1' {
    return '1.1';
  }

  get complete(): true {
    return true;
  }
}

/** A request as the gateway's endpoints see it: one that is there as a whole, or one of `node:http` whose body may still arrive. */
export type GatewayRequest = WholeRequest | IncomingMessage;
