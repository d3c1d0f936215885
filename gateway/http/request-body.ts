import type { IncomingMessage } from 'node:http';
import { unpackBody } from './content-encoding.js';
import { invalid } from './request-error.js';
import type { RequestError } from './request-error.js';

/**
 * Reads a request's whole body. Refuses one larger than `maxBytes` as soon as that is known (the rest is read and thrown
 * away, so that the caller gets to see the answer), unpacks it where it came packed, and refuses encodings that are not taken.
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const encoding = request.headers['content-encoding'];
  return encoding === undefined
    ? readReceived(request, maxBytes)
    : readReceived(request, maxBytes).then((body) => unpackBody(body, encoding, maxBytes));
}

function readReceived(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
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
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) {
        chunks.push(chunk);
        return;
      }
      chunks = [];
      reject(tooLarge(bytes));
    });
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    request.on('error', () => reject(invalid('the body ended early')));
    request.on('aborted', () => reject(invalid('the body ended early')));
  });
}
