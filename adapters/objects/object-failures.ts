import { PerennialError } from '../../domain/errors.js';

/** The store has no such object: a row points at something absent, or the wrong store is configured. */
export function absentObject(digest: string, store: string): PerennialError {
  return new PerennialError(
    'ArtifactRejected',
    `Object ${digest} is not in ${store}. Check that PERENNIAL_OBJECTS names the store it was written to, or restore it from a backup.`,
    { details: { digest, store, found: null } },
  );
}

/** The store holds other bytes under this digest. They are never handed out. */
export function otherBytes(input: { digest: string; found: string; store: string }): PerennialError {
  return new PerennialError(
    'ArtifactRejected',
    `Object ${input.digest} in ${input.store} was changed: its bytes have the digest ${input.found}. Restore it from a backup, or put the original bytes again: that replaces it.`,
    { details: input },
  );
}

/** What was written did not come back as it was sent; nothing of it is visible. */
export function notAsWritten(input: { digest: string; found: string; store: string }): PerennialError {
  return new PerennialError(
    'Unavailable',
    `${input.store} gave back other bytes (${input.found}) than were written (${input.digest}). Nothing was kept; check the disk or the store, or whether the source changed while it was stored.`,
    { details: input },
  );
}

/** A file that shall be stored is not there or may not be read. */
export function unreadableSource(path: string, cause: unknown): PerennialError {
  return new PerennialError(
    'Unavailable',
    `${path} could not be read to store it: ${(cause as Error).message}. Check that it exists and may be read.`,
    { cause, retryable: false, details: { path } },
  );
}

/**
 * Does something with this machine's files.
 * @throws PerennialError `Unavailable` with what the file system says, the path and the way out
 */
export async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof PerennialError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new PerennialError('Unavailable', `${path} cannot be used: ${message}. Nothing half-written is visible; ${wayOut(code)}.`, {
      cause,
      details: { path, code },
    });
  }
}

function wayOut(code: string | undefined): string {
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG')
    return 'free space there, or choose another place (PERENNIAL_OBJECTS for the object store)';
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return 'let this user write there';
  if (code === 'ENOENT') return 'check that its folder exists';
  return 'check the disk';
}
