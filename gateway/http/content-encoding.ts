import { promisify } from 'node:util';
import { constants, deflate, gunzip, gzip, inflate } from 'node:zlib';
import type { Reply } from './reply.js';
import { invalid, RequestError } from './request-error.js';

/** What bodies may be packed with, in both directions. */
export const contentEncodings = ['gzip', 'deflate'] as const;

const unpack = { gzip: promisify(gunzip), deflate: promisify(inflate) };
const pack = { gzip: promisify(gzip), deflate: promisify(deflate) };

/**
 * Unpacks a request's body outside the event loop. Throws a `RequestError`: for an encoding that is not taken, for bytes
 * that are not what it says, and as soon as more than `maxBytes` come out (a small body may hold gigabytes).
 */
export async function unpackBody(body: Buffer, encoding: string, maxBytes: number): Promise<Buffer> {
  const named = encoding.trim().toLowerCase();
  if (named === 'identity' || named === '') return body;
  if (named !== 'gzip' && named !== 'deflate')
    throw new RequestError('unsupported', `Content-Encoding ${encoding.slice(0, 100)} is not taken: ${contentEncodings.join(' and ')} are`);
  try {
    return await unpack[named](body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw invalid(`the unpacked body exceeds the maximum allowed value of ${maxBytes} bytes`);
    throw invalid(`the body is not ${named} as its Content-Encoding says: ${(error as Error).message}`);
  }
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
