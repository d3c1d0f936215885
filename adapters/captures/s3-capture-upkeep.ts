import { DeleteObjectsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { CaptureFileUpkeep } from '../../activities/upkeep-ports.js';
import { PerennialError } from '../../domain/errors.js';
import { s3Client } from '../objects/s3-client.js';
import { s3Failure } from '../objects/s3-failures.js';
import { captureVariants, readCaptureFileName } from './capture-file-name.js';
import type { S3CaptureFilesOptions } from './s3-capture-files.js';

/** Removes old files of captured requests in S3. Anything else there stays. */
export function openS3CaptureUpkeep(options: S3CaptureFilesOptions): CaptureFileUpkeep {
  const client = s3Client(options);
  const { bucket: Bucket } = options;
  const root = options.prefix === '' ? '' : `${options.prefix}/`;
  const asked = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw refusal(s3Failure(error, `s3://${Bucket}/${root}`), `s3://${Bucket}/${root}`);
    }
  };

  /** The oldest files of a variant that were begun before: those of the first page that has any. */
  async function oldOf(model: string, variant: string, beforeMs: number): Promise<string[]> {
    let ContinuationToken: string | undefined;
    do {
      const page = await client.send(new ListObjectsV2Command({ Bucket, Prefix: `${root}${model}/${variant}/`, ContinuationToken }));
      const files = (page.Contents ?? []).flatMap(({ Key = '' }) => {
        const found = readCaptureFileName(Key.slice(root.length));
        return found === null ? [] : [{ Key, beganMs: found.beganMs }];
      });
      const old = files.filter(({ beganMs }) => beganMs < beforeMs);
      // Names ascend with time.
      if (files.length > 0) return old.map(({ Key }) => Key);
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    return [];
  }

  return {
    removeBefore: (model, beforeMs) =>
      asked(async () => {
        let removed = 0;
        for (const variant of captureVariants) {
          const keys = await oldOf(model, variant, beforeMs);
          if (keys.length === 0) continue;
          const Delete = { Objects: keys.map((Key) => ({ Key })), Quiet: true };
          const { Errors = [] } = await client.send(new DeleteObjectsCommand({ Bucket, Delete }));
          const [first] = Errors;
          if (first !== undefined) throw notRemoved(`s3://${Bucket}/${first.Key}`, `${first.Code}: ${first.Message}`);
          removed += keys.length;
        }
        return removed;
      }),
  };
}

function refusal(failure: PerennialError, store: string): PerennialError {
  return failure.details['status'] === 403 ? notRemoved(store, failure.message) : failure;
}

function notRemoved(what: string, reason: string): PerennialError {
  return new PerennialError(
    'Unavailable',
    `Old captures cannot be removed from ${what} (${reason}). Allow s3:ListBucket on the bucket and s3:DeleteObject below PERENNIAL_CAPTURES, or give the bucket a lifecycle rule of fewer days.`,
    { retryable: false, details: { what } },
  );
}
