import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { ObjectStore } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import { base64OfDigest, digestOf, objectKey } from './digest.js';
import { hashAll, replaceFile, type Copied } from './hashed-copy.js';
import { absentObject, notAsWritten, otherBytes, unreadableSource } from './object-failures.js';
import { attempts, s3Client, type S3Access } from './s3-client.js';
import { isAbsent, s3Failure } from './s3-failures.js';

export type S3Options = S3Access & {
  readonly bucket: string;
  /** Before every key, without slashes at its ends; empty for none. */
  readonly prefix: string;
};

const firstWaitMs = 100;
/** What S3 takes in one request, and so with one checksum over the whole. */
const largestBytes = 5 * 1024 ** 3;

/** How to send an object: a fresh body for every attempt, because a stream can be sent once. */
type Sendable = Copied & { readonly mediaType: string; readonly body: () => AsyncIterable<Uint8Array> | Uint8Array };

/**
 * Objects in S3 or a store that speaks its protocol. The SHA-256 travels with every upload, so the store itself refuses
 * bytes that changed on the way, and the object is read back before its reference is answered. S3 shows an object whole
 * or not at all. Requests are tried three times.
 * @throws PerennialError `Unavailable` from every method when the store refuses; it names the bucket and the way out
 */
export function openS3ObjectStore(options: S3Options): ObjectStore {
  const client = s3Client(options);
  const store = `s3://${options.bucket}${options.prefix === '' ? '' : `/${options.prefix}`}`;
  const at = (digest: string): { Bucket: string; Key: string } => ({
    Bucket: options.bucket,
    Key: options.prefix === '' ? objectKey(digest) : `${options.prefix}/${objectKey(digest)}`,
  });

  async function exists(digest: string): Promise<boolean> {
    try {
      await client.send(new HeadObjectCommand(at(digest)));
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      throw s3Failure(error, store);
    }
  }

  /** Hands the object's body to `take`, from the start again when the connection breaks in the middle. */
  async function read<T>(digest: string, take: (body: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T> {
    const location = at(digest);
    for (let attempt = 1; ; attempt += 1) {
      let opened = false;
      try {
        const { Body } = await client.send(new GetObjectCommand(location));
        opened = true;
        return await take(Body as unknown as AsyncIterable<Uint8Array>);
      } catch (error) {
        if (isAbsent(error)) throw absentObject(digest, store);
        // The SDK has repeated the request itself, but not what broke after its answer began.
        if (!opened || error instanceof PerennialError || attempt >= attempts) throw s3Failure(error, store);
        await delay(firstWaitMs * 2 ** (attempt - 1));
      }
    }
  }

  async function send(object: Sendable): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const body = object.body();
      try {
        await client.send(
          new PutObjectCommand({
            ...at(object.digest),
            Body: body as Uint8Array,
            ContentLength: object.bytes,
            ContentType: object.mediaType,
            ChecksumAlgorithm: 'SHA256',
            ChecksumSHA256: base64OfDigest(object.digest),
          }),
        );
        return;
      } catch (error) {
        const failure = s3Failure(error, store);
        // The SDK repeats requests with bytes, but cannot send a stream twice.
        if (body instanceof Uint8Array || !failure.retryable || attempt >= attempts) throw failure;
        await delay(firstWaitMs * 2 ** (attempt - 1));
      }
    }
  }

  async function keep(object: Sendable): Promise<void> {
    if (object.bytes > largestBytes) {
      throw new PerennialError(
        'DataInvalid',
        `An object of ${object.bytes} bytes is too large for ${store}: at most ${largestBytes} bytes are stored with one checksum. Split it.`,
        {
          details: { digest: object.digest, bytes: object.bytes },
        },
      );
    }
    const readBack = async (): Promise<string> => (await read(object.digest, hashAll)).digest;
    // A damaged object is replaced by the bytes that belong there.
    if ((await exists(object.digest)) && (await readBack()) === object.digest) return;
    await send(object);
    const found = await readBack();
    if (found !== object.digest) throw notAsWritten({ digest: object.digest, found, store });
  }

  return {
    async put(bytes, mediaType) {
      const digest = digestOf(bytes);
      await keep({ digest, bytes: bytes.byteLength, mediaType, body: () => bytes });
      return { digest, bytes: bytes.byteLength, mediaType };
    },

    async putFile(path, mediaType) {
      const copied = await hashFile(path);
      await keep({ ...copied, mediaType, body: () => createReadStream(path) });
      return { ...copied, mediaType };
    },

    async get(digest) {
      const bytes = await read(digest, async (body) => {
        const chunks: Uint8Array[] = [];
        for await (const chunk of body) chunks.push(chunk);
        return Buffer.concat(chunks);
      });
      const found = digestOf(bytes);
      if (found !== digest) throw otherBytes({ digest, found, store });
      return bytes;
    },

    async getFile(digest, path) {
      const check = ({ digest: found }: Copied): void => {
        if (found !== digest) throw otherBytes({ digest, found, store });
      };
      await read(digest, (body) => replaceFile(body, { path, mode: 0o644, check }));
    },

    has: exists,
  };
}

async function hashFile(path: string): Promise<Copied> {
  try {
    await stat(path);
    return await hashAll(createReadStream(path, { highWaterMark: 1 << 20 }));
  } catch (cause) {
    throw unreadableSource(path, cause);
  }
}
