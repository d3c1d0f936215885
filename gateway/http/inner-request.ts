import type { IncomingHttpHeaders } from 'node:http';
import { WholeRequest } from './whole-request.js';

/** A request as the HTTP server hands it on. `body` is told as JSON, `text` as it is; without either there is none. */
export type InnerRequest = {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body?: unknown;
  readonly text?: string;
};

/** Nobody hangs up within this process. */
const socket = { destroyed: false };

/** A request made within this process: another protocol asks what a route answers. */
export function innerRequest({ method, path, headers, body, text }: InnerRequest): WholeRequest {
  const told = body === undefined ? text : JSON.stringify(body);
  return new WholeRequest({ method, url: path, headers, body: Buffer.from(told ?? ''), socket });
}
