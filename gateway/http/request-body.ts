import type { IncomingMessage } from 'node:http';
import type { BodyRoom } from './body-room.js';
import { unpackBody } from './content-encoding.js';
import { isSharable, Pieces, SharedPieces } from './body-pieces.js';
import { invalid } from './request-error.js';
import type { RequestError } from './request-error.js';
import { type GatewayRequest, WholeRequest } from './whole-request.js';

/** What bodies may take: one of them, and the large ones together. */
export type BodyLimits = { readonly maxBytes: number; readonly room: BodyRoom };

/**
 * Reads a request's whole body; no promise where it is there already. Refuses one larger than `maxBytes` as soon as that is known (the rest is read and thrown
 * away, so that the caller gets to see the answer), unpacks it where it came packed, and refuses encodings that are not taken.
 */
export function readBody(request: GatewayRequest, limits: BodyLimits): Buffer | Promise<Buffer> {
  if (request instanceof WholeRequest) {
    if (request.body.length > limits.maxBytes) throw tooLarge(request.body.length, limits.maxBytes);
    return request.body;
  }
  const encoding = request.headers['content-encoding'];
  const received = readReceived(request, limits);
  return encoding === undefined ? received : unpacked(received, { request, encoding, limits });
}

/** Reads a body as it came, packed or not. */
export function readPacked(request: GatewayRequest, limits: BodyLimits): Buffer | Promise<Buffer> {
  return request instanceof WholeRequest ? readBody(request, limits) : readReceived(request, limits);
}

/** The request as a whole, with a body that was read packed. Refuses what `readBody` refuses. */
export async function wholeRequest(request: GatewayRequest, packed: Buffer, limits: BodyLimits): Promise<WholeRequest> {
  if (request instanceof WholeRequest) return request;
  const { method = 'GET', url = '/', headers, socket } = request;
  const encoding = headers['content-encoding'];
  const body = encoding === undefined ? packed : await unpacked(Promise.resolve(packed), { request, encoding, limits });
  return new WholeRequest({ method, url, headers, body, socket });
}

async function unpacked(
  received: Promise<Buffer>,
  { request, encoding, limits }: { request: IncomingMessage; encoding: string; limits: BodyLimits },
): Promise<Buffer> {
  const packed = await received;
  const { maxBytes, room } = limits;
  // What has come out is counted as it comes: a thousand small bodies at once may hold gigabytes, each within its limit.
  const body = await unpackBody(packed, encoding, { maxBytes, unpacked: (bytes) => room.hold(request, packed.length + bytes) });
  room.hold(request, body.length);
  return body;
}

function readReceived(request: IncomingMessage, { maxBytes, room }: BodyLimits): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) {
    request.resume();
    return Promise.reject(tooLarge(announced, maxBytes));
  }
  // A caller that has left already is told nothing, and nothing is told of him.
  if (request.destroyed) return Promise.reject(invalid('the body ended early'));
  return new Promise((resolve, reject) => {
    const pieces = isSharable(request, announced) ? new SharedPieces(announced) : new Pieces();
    let bytes = 0;
    let refused = false;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (refused) return;
      try {
        if (bytes > maxBytes) throw tooLarge(bytes, maxBytes);
        room.hold(request, bytes);
        pieces.add(chunk);
      } catch (error) {
        refused = true;
        pieces.drop();
        reject(error as RequestError);
      }
    });
    request.on('end', () => resolve(pieces.whole()));
    // A caller that leaves before the end is an error of the request, too.
    request.on('error', () => reject(invalid('the body ended early')));
  });
}

function tooLarge(bytes: number, maxBytes: number): RequestError {
  return invalid(`the body of ${bytes} bytes or more exceeds the maximum allowed value of ${maxBytes} bytes`);
}
