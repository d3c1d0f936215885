import { readFile, rm } from 'node:fs/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { CaptureFiles } from '../../activities/ports.js';
import { base64OfDigest, digestOf } from '../objects/digest.js';
import { onDisk } from '../objects/object-failures.js';
import { s3Client, type S3Access } from '../objects/s3-client.js';
import { s3Failure } from '../objects/s3-failures.js';

export type S3CaptureFilesOptions = S3Access & { readonly bucket: string; readonly prefix: string };

/** Captured requests as objects in S3, which shows an object whole or not at all. The SHA-256 travels with each upload. */
export function openS3CaptureFiles(options: S3CaptureFilesOptions): CaptureFiles {
  const client = s3Client(options);
  const store = `s3://${options.bucket}${options.prefix === '' ? '' : `/${options.prefix}`}`;
  return {
    async put(name, path) {
      const bytes = await onDisk(path, () => readFile(path));
      try {
        await client.send(
          new PutObjectCommand({
            Bucket: options.bucket,
            Key: options.prefix === '' ? name : `${options.prefix}/${name}`,
            Body: bytes,
            ContentType: 'application/jsonlines',
            ChecksumAlgorithm: 'SHA256',
            ChecksumSHA256: base64OfDigest(digestOf(bytes)),
          }),
        );
      } catch (error) {
        throw s3Failure(error, store);
      }
      await onDisk(path, () => rm(path));
    },

    diskUse: () => Promise.resolve(0),
  };
}
