import { createHash } from 'node:crypto';
import { PerennialError } from '../../domain/errors.js';

const pattern = /^sha256:([0-9a-f]{2})([0-9a-f]{62})$/;

/** Digest of bytes in the platform's form, `sha256:<hex>`. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/**
 * The key of an object, `sha256/ab/cdef…`, relative to the store's root. The only way from a caller's string to a key:
 * anything but a lower-case SHA-256 digest is refused, so no path, URL or encoding of one can leave the store.
 * @throws PerennialError `ArtifactRejected`
 */
export function objectKey(digest: string): string {
  const parts = typeof digest === 'string' ? pattern.exec(digest) : null;
  if (parts === null) {
    throw new PerennialError(
      'ArtifactRejected',
      `${JSON.stringify(digest)?.slice(0, 120)} is not an object digest: expected sha256: and 64 lower-case hexadecimal digits. Give the digest that the store answered when the object was put.`,
      { details: { digest } },
    );
  }
  return `sha256/${parts[1]}/${parts[2]}`;
}

/** The SHA-256 of a digest in base64, as checksum headers carry it. */
export function base64OfDigest(digest: string): string {
  return Buffer.from(digest.slice('sha256:'.length), 'hex').toString('base64');
}
