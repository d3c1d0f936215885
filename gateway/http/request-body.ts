import type { IncomingMessage } from 'node:http';
import type { BodyRoom } from './body-room.js';
import { unpackBody } from './content-encoding.js';
import { invalid } from './request-error.js';
import type { RequestError } from './request-error.js';

/** What bodies may take: one of them, and the large ones together. */
export type BodyLimits = { readonly maxBytes: number; readonly room: BodyRoom };

/**
 * Reads a request's whole body. Refuses one larger than `maxBytes` as soon as that is known (the rest is read and thrown
 * away, so that the caller gets to see the answer), unpacks it where it came packed, and refuses encodings that are not taken.
 */
export async function readBody(request: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const body = await readReceived(request, limits);
  const encoding = request.headers['content-encoding'];
  if (encoding === undefined) return body;
  const unpacked = await unpackBody(body, encoding, limits.maxBytes);
  limits.room.hold(request, unpacked.length);
  return unpacked;
}

function readReceived(request: IncomingMessage, { maxBytes, room }: BodyLimits): Promise<Buffer> {
  const tooLarge = (bytes: number): RequestError =>
    invalid(`the body of ${bytes} bytes or more exceeds the maximum allowed value of ${maxBytes} bytes`);
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) {
    request.resume();
    return Promise.reject(tooLarge(announced));
  }
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    let refused = false;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (refused) return;
      try {
        if (bytes > maxBytes) throw tooLarge(bytes);
        room.hold(request, bytes);
        chunks.push(chunk);
      } catch (error) {
        refused = true;
        chunks = [];
        reject(error as RequestError);
      }
    });
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    request.on('error', () => reject(invalid('the body ended early')));
    request.on('aborted', () => reject(invalid('the body ended early')));
  });
}
