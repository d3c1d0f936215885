import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Answers bytes that are no HTTP request, or none in time, and closes the connection: nothing behind them is read. */
export function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  socket.end(refusal(statuses[error.code ?? ''] ?? '400 Bad Request'));
}

/**
 * Refuses HTTP/0.9, a line without a version, which the parser still takes: what answers it has no head, so that a proxy
 * in front could take the next answer for a part of it.
 */
export function refuseOldVersion(response: ServerResponse): void {
  const { socket } = response;
  socket?.end(refusal('505 HTTP Version Not Supported'));
}

/** Refuses a request that names no host, or more than one, after the answers to those before it, and closes the connection. */
export function refuseHosts(response: ServerResponse): void {
  const body = JSON.stringify({ error: 'the request has no Host header, or more than one: one is expected' });
  response.writeHead(400, { 'Content-Type': 'application/json', 'Content-Length': body.length, Connection: 'close' });
  response.end(body);
}

const statuses: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

function refusal(status: string): string {
  const body = JSON.stringify({ error: `this is no HTTP request that can be read: ${status}` });
  return `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
}
