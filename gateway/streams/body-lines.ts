import type { IncomingMessage } from 'node:http';
import { invalid } from '../http/request-error.js';

/** How the lines of a body are read. */
export type LineReading = {
  /** Most bytes of a line. */
  readonly maxBytes: number;
  /** Is told how much of a line has come; throws a `RequestError` where there is no room for it. */
  reading(bytes: number): void;
  /** Aborted when nobody wants more lines: the rest of the body is thrown away. */
  readonly ended: AbortSignal;
};

/**
 * The lines of a body while it arrives, without the blank ones. No more is read from the connection than is asked for.
 * Throws a `RequestError` when one line is longer than `maxBytes`, or the body ends early.
 */
export async function* bodyLines(request: IncomingMessage, { maxBytes, reading, ended }: LineReading): AsyncGenerator<Buffer, void> {
  let parts: Buffer[] = [];
  let bytes = 0;
  const keep = (part: Buffer): void => {
    bytes += part.length;
    if (bytes > maxBytes) throw invalid(`a line of ${bytes} bytes or more exceeds the maximum allowed value of ${maxBytes} bytes`);
    reading(bytes);
    if (part.length > 0) parts.push(part);
  };
  const take = (): Buffer => {
    const line = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    parts = [];
    bytes = 0;
    return line;
  };
  try {
    // Left open at the end: the answer to a wrong line goes over the same connection.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      if (ended.aborted) return;
      let from = 0;
      for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
        keep(chunk.subarray(from, end));
        from = end + 1;
        const line = take();
        if (!isBlank(line)) yield line;
      }
      keep(chunk.subarray(from));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') throw invalid('the body ended early');
    throw error;
  } finally {
    // Another request may stand behind what nobody reads.
    if (!request.readableEnded) request.resume();
  }
  const last = take();
  if (!isBlank(last)) yield last;
}

/** The lines of a body that is there, without the blank ones. */
export function* linesOf(body: Buffer): Generator<Buffer, void> {
  for (let from = 0; from < body.length;) {
    const end = body.indexOf(0x0a, from);
    const line = body.subarray(from, end < 0 ? body.length : end);
    from += line.length + 1;
    if (!isBlank(line)) yield line;
  }
}

/** Whether a line holds nothing but white space. */
function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);
}
