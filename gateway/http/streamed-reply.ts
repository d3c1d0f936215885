import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Reply } from './reply.js';

/** `timeoutMs`: how long a caller may take to read what is made. `draining`: the connection is not kept. */
export type Sending = { readonly draining: boolean; readonly timeoutMs: number };

/** An answer whose body is made piece by piece. */
export type StreamedReply = Reply & { readonly stream: NonNullable<Reply['stream']> };

/**
 * Sends an answer piece by piece. No piece is asked for while the caller has not taken the ones before; when the caller
 * leaves, or does not read on in time, the stream is told and ended. A stream that throws breaks the connection off, so
 * that nobody takes a part for the whole.
 */
export async function sendStream(response: ServerResponse, reply: StreamedReply, { draining, timeoutMs }: Sending): Promise<void> {
  const left = new AbortController();
  if (response.destroyed) left.abort();
  response.once('close', () => left.abort());
  response.writeHead(reply.status, {
    'Content-Type': reply.contentType,
    'Cache-Control': 'no-store',
    ...reply.headers,
    ...(draining ? { Connection: 'close' } : {}),
  });
  response.flushHeaders();
  try {
    for await (const piece of reply.stream(left.signal)) {
      if (left.signal.aborted) return;
      if (!response.write(piece)) await once(response, 'drain', { signal: AbortSignal.any([left.signal, AbortSignal.timeout(timeoutMs)]) });
    }
    response.end();
    reply.sent?.();
  } catch {
    response.destroy();
  }
}
