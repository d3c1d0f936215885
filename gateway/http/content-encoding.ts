import { promisify } from 'node:util';
import { constants, createGunzip, createInflate, deflate, gzip } from 'node:zlib';
import type { Reply } from './reply.js';
import { invalid, RequestError } from './request-error.js';

/** What bodies may be packed with, in both directions. */
export const contentEncodings = ['gzip', 'deflate'] as const;

const unpackers = { gzip: createGunzip, deflate: createInflate };
const pack = { gzip: promisify(gzip), deflate: promisify(deflate) };

/** How much may come out of a packed body. */
export type UnpackLimits = {
  readonly maxBytes: number;
  /** Is told how much has come out so far; throws a `RequestError` where there is no room for it. */
  unpacked(bytes: number): void;
};

/**
 * Unpacks a request's body outside the event loop. Throws a `RequestError`: for an encoding that is not taken, for bytes
 * that are not what it says, and as soon as too much comes out (a small body may hold gigabytes).
 */
export async function unpackBody(body: Buffer, encoding: string, limits: UnpackLimits): Promise<Buffer> {
  const named = encoding.trim().toLowerCase();
  if (named === 'identity' || named === '') return body;
  if (named !== 'gzip' && named !== 'deflate')
    throw new RequestError('unsupported', `Content-Encoding ${encoding.slice(0, 100)} is not taken: ${contentEncodings.join(' and ')} are`);
  return await unpacked(body, named, limits);
}

function unpacked(body: Buffer, encoding: 'gzip' | 'deflate', limits: UnpackLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const unpacker = unpackers[encoding]();
    const pieces: Buffer[] = [];
    let bytes = 0;
    unpacker.on('data', (piece: Buffer) => {
      bytes += piece.length;
      try {
        if (bytes > limits.maxBytes) throw invalid(`the unpacked body exceeds the maximum allowed value of ${limits.maxBytes} bytes`);
        limits.unpacked(bytes);
        pieces.push(piece);
      } catch (error) {
        unpacker.destroy();
        reject(error as RequestError);
      }
    });
    unpacker.on('end', () => resolve(Buffer.concat(pieces, bytes)));
    unpacker.on('error', (error) => reject(invalid(`the body is not ${encoding} as its Content-Encoding says: ${error.message}`)));
    unpacker.end(body);
  });
}

/** The answer packed as the caller would like it; speed counts more than size here. */
export async function packReply(reply: Reply, accepted: string | string[]): Promise<Reply> {
  const encoding = reply.stream !== undefined || reply.headers?.['Content-Encoding'] !== undefined ? null : chosen(String(accepted));
  if (encoding === null) return reply;
  const body = await pack[encoding](reply.body, { level: constants.Z_BEST_SPEED });
  const headers = { ...reply.headers, 'Content-Encoding': encoding, Vary: 'Accept-Encoding' };
  return { ...reply, body, headers, ...(reply.sent === undefined ? {} : { sent: () => reply.sent?.(reply) }) };
}

/** The first of ours that the caller takes; null when it takes none. */
function chosen(accepted: string): 'gzip' | 'deflate' | null {
  const weights = new Map<string, number>();
  for (const part of accepted.toLowerCase().split(',')) {
    const [name, ...settings] = part.split(';').map((word) => word.trim());
    const weight = settings.find((setting) => setting.startsWith('q='));
    weights.set(name!, weight === undefined ? 1 : Number(weight.slice(2)) || 0);
  }
  const weightOf = (name: string): number => weights.get(name) ?? weights.get('*') ?? 0;
  const best = weightOf('deflate') > weightOf('gzip') ? 'deflate' : 'gzip';
  return weightOf(best) > 0 ? best : null;
}
