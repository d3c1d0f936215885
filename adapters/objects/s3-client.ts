import { S3Client } from '@aws-sdk/client-s3';

/** How to reach a store that speaks S3's protocol. */
export type S3Access = {
  /** Of an S3-compatible store; it is then addressed path style. Absent: AWS. */
  readonly endpoint?: string;
  /** Absent: as the AWS SDK finds it (AWS_REGION, profile). */
  readonly region?: string;
  /** Absent: as the AWS SDK finds them (variables, profile, role). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
};

/** How often a request is tried. */
export const attempts = 3;

const ignore = (): void => {};

/** A client that sends checksums of its caller's own making, and tries requests three times. */
export function s3Client(access: S3Access): S3Client {
  return new S3Client({
    ...(access.endpoint === undefined ? {} : { endpoint: access.endpoint, forcePathStyle: true }),
    ...(access.region === undefined ? {} : { region: access.region }),
    ...(access.credentials === undefined ? {} : { credentials: access.credentials }),
    maxAttempts: attempts,
    requestHandler: { connectionTimeout: 3000, socketTimeout: 30_000 },
    // Every object's own SHA-256 is sent and checked; stores that are not AWS stumble over the SDK's CRC trailers.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // It would say on the console that it cannot send a stream twice; who sends streams does that himself.
    logger: { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore },
  });
}
