import { createHash, randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { onDisk } from './object-failures.js';

/** What went through: its digest and its length. */
export type Copied = { readonly digest: string; readonly bytes: number };

/**
 * Writes chunks to a new file, hashing them on the way, and makes them durable. The file must not exist; a failed copy
 * leaves none.
 * @param target.mode permissions of the finished file
 * @throws PerennialError `Unavailable` when the disk refuses; what the source throws is passed on as it is
 */
export async function copyHashed(source: AsyncIterable<Uint8Array>, target: { path: string; mode: number }): Promise<Copied> {
  const hash = createHash('sha256');
  let bytes = 0;
  const { path, mode } = target;
  const file = await onDisk(path, () => open(path, 'wx', 0o600));
  try {
    try {
      for await (const chunk of source) {
        hash.update(chunk);
        await onDisk(path, () => writeAll(file, chunk));
        bytes += chunk.byteLength;
      }
      await onDisk(path, async () => {
        await file.chmod(mode);
        await file.sync();
      });
    } finally {
      await file.close();
    }
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  return { digest: `sha256:${hash.digest('hex')}`, bytes };
}

/**
 * Puts chunks at a path so that the path holds all of them or is as it was before: a temporary name beside it, a check,
 * a rename.
 * @param check is given what was written and throws when it is not what it should be
 */
export async function replaceFile(
  source: AsyncIterable<Uint8Array>,
  target: { path: string; mode: number; check: (copied: Copied) => void },
): Promise<Copied> {
  const unfinished = `${target.path}.${randomUUID()}.part`;
  const copied = await copyHashed(source, { path: unfinished, mode: target.mode });
  try {
    target.check(copied);
    await onDisk(target.path, () => rename(unfinished, target.path));
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  return copied;
}

/** Hashes chunks without keeping them. */
export async function hashAll(source: AsyncIterable<Uint8Array>): Promise<Copied> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of source) {
    hash.update(chunk);
    bytes += chunk.byteLength;
  }
  return { digest: `sha256:${hash.digest('hex')}`, bytes };
}

async function writeAll(file: Awaited<ReturnType<typeof open>>, chunk: Uint8Array): Promise<void> {
  // A nearly full disk takes a part of a write and refuses the rest at the next one.
  for (let at = 0; at < chunk.byteLength;) {
    const { bytesWritten } = await file.write(chunk, at, chunk.byteLength - at);
    at += bytesWritten;
  }
}
