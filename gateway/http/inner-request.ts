import type { IncomingHttpHeaders } from 'node:http';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';

/** A request as the HTTP server hands it on. `body` is told as JSON, `text` as it is; without either there is none. */
export type InnerRequest = {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body?: unknown;
  readonly text?: string;
};

/** A request made within this process: another protocol asks what a route answers. */
export function innerRequest({ method, path, headers, body, text }: InnerRequest): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.method = method;
  request.url = path;
  request.headers = headers;
  const told = body === undefined ? text : JSON.stringify(body);
  if (told !== undefined && told !== '') request.push(told);
  request.push(null);
  request.complete = true;
  return request;
}
