import { readFile } from 'node:fs/promises';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { NamedObjects } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import { base64OfDigest, digestOf } from '../objects/digest.js';
import { replaceFile } from '../objects/hashed-copy.js';
import { onDisk } from '../objects/object-failures.js';
import { s3Client, type S3Access } from '../objects/s3-client.js';
import { isAbsent, s3Failure } from '../objects/s3-failures.js';
import { absent, elsewhere, tooLarge } from './named-object-failures.js';

export type S3NamedObjectsOptions = S3Access & { readonly bucket: string; readonly prefix: string };

/** Named objects in S3 below one prefix of one bucket. S3 shows an object whole or not at all; the SHA-256 travels with it. */
export function openS3NamedObjects(options: S3NamedObjectsOptions): NamedObjects {
  const client = s3Client(options);
  const place = `s3://${options.bucket}/${options.prefix === '' ? '' : `${options.prefix}/`}`;
  const keyOf = (name: string): string => (options.prefix === '' ? name : `${options.prefix}/${name}`);
  return {
    location: (name) => `${place}${name}`,

    async getFile(location, path, maxBytes) {
      if (!location.startsWith(place)) throw elsewhere(location, place);
      const at = { Bucket: options.bucket, Key: keyOf(location.slice(place.length)) };
      try {
        const { Body, ContentLength = 0 } = await client.send(new GetObjectCommand(at));
        if (ContentLength > maxBytes) throw tooLarge(location, { bytes: ContentLength, maxBytes });
        const whole = ({ bytes }: { bytes: number }): void => {
          if (bytes !== ContentLength)
            throw new PerennialError('Unavailable', `${location} broke off after ${bytes} of ${ContentLength} bytes: it is tried again`);
        };
        await replaceFile(Body as unknown as AsyncIterable<Uint8Array>, { path, mode: 0o600, check: whole });
      } catch (error) {
        if (error instanceof PerennialError) throw error;
        if (isAbsent(error)) throw absent(location);
        throw s3Failure(error, place);
      }
    },

    async putFile(name, path, mediaType) {
      const bytes = await onDisk(path, () => readFile(path));
      try {
        await client.send(
          new PutObjectCommand({
            Bucket: options.bucket,
            Key: keyOf(name),
            Body: bytes,
            ContentType: mediaType,
            ChecksumAlgorithm: 'SHA256',
            ChecksumSHA256: base64OfDigest(digestOf(bytes)),
          }),
        );
      } catch (error) {
        throw s3Failure(error, place);
      }
    },
  };
}
