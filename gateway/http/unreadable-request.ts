import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Due } from './open-exchanges.js';

/**
 * Ends a connection on which bytes came that are no HTTP request, or none in time: with an answer that says so where one is
 * due. Nothing behind them is read. Who leaves his side open after that is cut off after `limitMs`.
 */
export function refuseUnreadable(
  error: NodeJS.ErrnoException,
  socket: Duplex,
  { due = 'refusal', limitMs }: { readonly due?: Due | undefined; readonly limitMs: number },
): void {
  if (error.code === 'ECONNRESET' || !socket.writable || due === 'break') return void socket.destroy();
  socket.end(due === 'end' ? undefined : refusal(statuses[error.code ?? ''] ?? '400 Bad Request'));
  const limit = setTimeout(() => socket.destroy(), limitMs).unref();
  socket.once('close', () => clearTimeout(limit));
}

/**
 * Refuses HTTP/0.9, a line without a version, which the parser still takes: what answers it has no head, so that a proxy
 * in front could take the next answer for a part of it. It comes after the answers to those before it, and ends the connection.
 */
export function refuseOldVersion(response: ServerResponse): void {
  refuseLast(response, 505, bodyOf(oldVersion));
}

/** Refuses a request that names no host, or more than one, after the answers to those before it, and closes the connection. */
export function refuseHosts(response: ServerResponse): void {
  refuseLast(response, 400, JSON.stringify({ error: 'the request has no Host header, or more than one: one is expected' }));
}

function refuseLast(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length, Connection: 'close' });
  response.end(body);
}

const oldVersion = '505 HTTP Version Not Supported';

const statuses: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

const bodyOf = (status: string): string => JSON.stringify({ error: `this is no HTTP request that can be read: ${status}` });

function refusal(status: string): string {
  const body = bodyOf(status);
  return `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
}
