import { once } from 'node:events';
import type { EventEmitter } from 'node:events';
import type { Reply } from './reply.js';

/** An answer whose body is made piece by piece. */
export type StreamedReply = Reply & { readonly stream: NonNullable<Reply['stream']> };

/** Where the pieces of an answer go. `write` answers false while the caller has not taken what was written. */
export type PieceSink = {
  readonly destroyed: boolean;
  /** Tells `drain` when the caller has taken what was written, and `close` when he has left. */
  readonly events: EventEmitter;
  begin(reply: Reply): void;
  write(piece: string | Uint8Array): boolean;
  end(): void;
  destroy(): void;
};

/**
 * Sends an answer piece by piece. No piece is asked for while the caller has not taken the ones before; when the caller
 * leaves, or does not read on within `timeoutMs`, the stream is told and ended. A stream that throws breaks the connection
 * off, so that nobody takes a part for the whole.
 */
export async function sendStream(sink: PieceSink, reply: StreamedReply, timeoutMs: number): Promise<void> {
  const left = new AbortController();
  const leave = (): void => left.abort();
  if (sink.destroyed) leave();
  sink.events.once('close', leave);
  try {
    sink.begin(reply);
    for await (const piece of reply.stream(left.signal)) {
      if (left.signal.aborted) return;
      if (!sink.write(piece)) await once(sink.events, 'drain', { signal: AbortSignal.any([left.signal, AbortSignal.timeout(timeoutMs)]) });
    }
    sink.end();
    reply.sent?.();
  } catch {
    sink.destroy();
  } finally {
    sink.events.off('close', leave);
    reply.ended?.();
  }
}
