import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { ObjectRef } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { uploadLimits, type UploadMediaType } from '../api/upload-limits.js';
import { answerOf, type HttpCall, reached } from './http-json.js';

/** A path of a file, or its bytes. */
export type UploadSource = string | Uint8Array;
/** Told after each piece that was sent: bytes of all bytes. */
export type UploadProgress = (sent: number, total: number) => void;

const pieceBytes = 256 * 1024;
/** Nothing taken for so long: the other side is gone. */
const stalledMs = 60_000;
/** The other side stores and reads back what came; over a slow store this takes a while for 2 GiB. */
const storedWithinMs = 280_000;

/**
 * Streams a file to the control API; answers the object that it is there. `DataInvalid` for a file that is absent, empty, too
 * large, or changed while it was read; `ArtifactRejected` when the other side stored other bytes.
 */
export async function upload(
  { what, url, headers = {} }: HttpCall,
  { source, mediaType, onProgress }: { source: UploadSource; mediaType: UploadMediaType; onProgress?: UploadProgress },
): Promise<ObjectRef> {
  const total = await sizeOf(source, uploadLimits[mediaType]);
  const hash = createHash('sha256');
  const waiting = patience();
  let sent = 0;
  const body = async function* () {
    for await (const piece of piecesOf(source)) {
      hash.update(piece);
      sent += piece.byteLength;
      if (sent > total) throw changed(source, total);
      yield piece;
      waiting.again(stalledMs);
      onProgress?.(sent, total);
    }
    if (sent < total) throw changed(source, total);
    waiting.again(storedWithinMs);
  };
  try {
    const response = await reached({ what, url }, () =>
      fetch(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': mediaType, 'content-length': String(total) },
        body: body(),
        duplex: 'half',
        signal: waiting.signal,
      }),
    );
    const stored = await answerOf<ObjectRef>(response, { what, url });
    const digest = `sha256:${hash.digest('hex')}`;
    if (stored.digest === digest) return stored;
    throw new PerennialError(
      'ArtifactRejected',
      `Other bytes than were sent are stored: ${digest} became ${stored.digest}. Send them again.`,
    );
  } catch (error) {
    // What went wrong while it was read is the cause of what `fetch` says.
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      if (cause instanceof PerennialError && cause !== error) throw cause;
    throw error;
  } finally {
    waiting.end();
  }
}

function patience() {
  const controller = new AbortController();
  const giveUp = (): void => controller.abort(new DOMException('no answer in time', 'TimeoutError'));
  let timer = setTimeout(giveUp, stalledMs);
  return {
    signal: controller.signal,
    again(ms: number): void {
      clearTimeout(timer);
      timer = setTimeout(giveUp, ms);
    },
    end: () => clearTimeout(timer),
  };
}

async function sizeOf(source: UploadSource, most: number): Promise<number> {
  const name = nameOf(source);
  const bytes = typeof source === 'string' ? (await fileAt(source)).size : source.byteLength;
  if (bytes === 0) throw new PerennialError('DataInvalid', `${name} is empty.`);
  if (bytes > most)
    throw new PerennialError('DataInvalid', `${name} has ${bytes} bytes, and at most ${most} are taken.`, { details: { bytes, most } });
  return bytes;
}

async function fileAt(path: string) {
  const found = await stat(path).catch((cause: unknown) => {
    throw new PerennialError('DataInvalid', `${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  });
  if (!found.isFile()) throw new PerennialError('DataInvalid', `${path} is no file.`);
  return found;
}

async function* piecesOf(source: UploadSource): AsyncGenerator<Uint8Array> {
  if (typeof source !== 'string') {
    for (let from = 0; from < source.byteLength; from += pieceBytes) yield source.subarray(from, from + pieceBytes);
    return;
  }
  try {
    for await (const piece of createReadStream(source, { highWaterMark: pieceBytes })) yield piece as Uint8Array;
  } catch (cause) {
    throw new PerennialError('DataInvalid', `${source} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

const nameOf = (source: UploadSource): string => (typeof source === 'string' ? source : 'The file');
const changed = (source: UploadSource, total: number): PerennialError =>
  new PerennialError('DataInvalid', `${nameOf(source)} changed while it was read: it had ${total} bytes. Send it again.`);
