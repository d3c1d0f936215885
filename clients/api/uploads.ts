import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { HTTPException } from 'hono/http-exception';
import type { ObjectStore } from '../../activities/ports.js';
import type { ObjectRef } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { uploadLimits, type UploadMediaType } from './upload-limits.js';

export type Upload = {
  readonly body: ReadableStream<Uint8Array> | null;
  readonly mediaType: UploadMediaType;
  /** What the caller says it sends; null when it does not say. */
  readonly length: number | null;
};

export type Uploads = {
  /**
   * Stores a body under its digest. It is written to disk as it comes and never held in memory whole; whatever becomes of
   * it, nothing but the object stays. `DataInvalid` for one that is empty, broken off, or no JSON where JSON was promised;
   * 413 beyond the limit of its media type; `Unavailable` when the disk or the store refuses.
   */
  receive(upload: Upload): Promise<ObjectRef>;
};

type Options = {
  readonly objects: Pick<ObjectStore, 'putFile'>;
  /** A folder of its own, where bodies are while they come. */
  readonly folder: string;
  readonly limits?: Readonly<Record<UploadMediaType, number>>;
};

/** What nobody wrote to for so long was left by a process that ended in the middle. */
const abandonedMs = 3_600_000;

export async function openUploads({ objects, folder, limits = uploadLimits }: Options): Promise<Uploads> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > abandonedMs) await rm(join(folder, name), { force: true });
  }
  return {
    async receive({ body, mediaType, length }) {
      const most = limits[mediaType];
      if (length !== null && length > most) throw tooLarge(mediaType, most);
      const path = join(folder, randomUUID());
      try {
        const bytes = body === null ? 0 : await write(body, path, { mediaType, most });
        if (length !== null && bytes !== length) throw brokenOff(bytes);
        if (bytes === 0) throw new PerennialError('DataInvalid', 'The body is empty: send the bytes of the file.');
        if (mediaType === 'application/json') await demandJson(path);
        return await objects.putFile(path, mediaType);
      } finally {
        await rm(path, { force: true });
      }
    },
  };
}

async function write(
  body: ReadableStream<Uint8Array>,
  path: string,
  { mediaType, most }: { mediaType: UploadMediaType; most: number },
): Promise<number> {
  let bytes = 0;
  const counted = async function* (source: AsyncIterable<Uint8Array>) {
    const chunks = source[Symbol.asyncIterator]();
    for (;;) {
      const next = await chunks.next().catch((cause: unknown) => {
        throw brokenOff(bytes, cause);
      });
      if (next.done === true) return;
      bytes += next.value.byteLength;
      if (bytes > most) throw tooLarge(mediaType, most);
      yield next.value;
    }
  };
  try {
    await pipeline(Readable.fromWeb(body), counted, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  } catch (error) {
    if (error instanceof PerennialError || error instanceof HTTPException) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new PerennialError('Unavailable', `The upload could not be written to disk: ${reason}. Nothing was stored; send it again.`, {
      cause: error,
    });
  }
  return bytes;
}

async function demandJson(path: string): Promise<void> {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path)));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PerennialError('DataInvalid', `The body is no JSON, as its Content-Type says: ${reason}. Nothing was stored.`, { cause });
  }
}

function brokenOff(bytes: number, cause?: unknown): PerennialError {
  return new PerennialError('DataInvalid', `The upload broke off after ${bytes} bytes: nothing was stored. Send it again.`, { cause });
}

function tooLarge(mediaType: UploadMediaType, most: number): HTTPException {
  return new HTTPException(413, { message: `The body is larger than ${most} bytes, the most that is taken of ${mediaType}.` });
}
