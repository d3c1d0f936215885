import { S3ServiceException } from '@aws-sdk/client-s3';
import { PerennialError } from '../../domain/errors.js';

/** Whether a service says that there is no such object. HEAD answers without a body, hence the bare status. */
export function isAbsent(error: unknown): boolean {
  return (
    error instanceof S3ServiceException &&
    (error.name === 'NoSuchKey' || (error.name === 'NotFound' && error.$metadata.httpStatusCode === 404))
  );
}

/** Turns what the SDK or the connection says into a typed failure that names the store and the way out. */
export function s3Failure(error: unknown, store: string): PerennialError {
  if (error instanceof PerennialError) return error;
  const { name, message, status } = describe(error);
  const [todo, retryable] = wayOut(name, status);
  return new PerennialError('Unavailable', `The object store ${store} failed: ${name}: ${message} ${todo}.`, {
    cause: error,
    retryable,
    details: { store, name, status },
  });
}

function describe(error: unknown): { name: string; message: string; status: number | undefined } {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), status: undefined };
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  const { code } = error as NodeJS.ErrnoException;
  // A refused connection to a name with several addresses has no message of its own.
  const message = error.message !== '' ? error.message : (code ?? 'no message');
  return { name: error.name, message: /[.!]$/.test(message) ? message : `${message}.`, status };
}

function wayOut(name: string, status: number | undefined): [todo: string, retryable: boolean] {
  if (name === 'NoSuchBucket') return ['Create the bucket, or name another one in PERENNIAL_OBJECTS', false];
  if (/Credentials|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken/.test(name))
    return ['Give working credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role)', false];
  if (status === 403)
    return [
      'Allow s3:GetObject and s3:PutObject on the objects and s3:ListBucket on the bucket: without the last one an absent object looks forbidden',
      false,
    ];
  if (/region is missing/i.test(name)) return ['Set AWS_REGION', false];
  if (status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429)
    return ['Check PERENNIAL_OBJECTS and PERENNIAL_S3_ENDPOINT', name === 'BadDigest' || name === 'RequestTimeout'];
  return ['It is tried again; check that PERENNIAL_S3_ENDPOINT is up and reachable', true];
}
