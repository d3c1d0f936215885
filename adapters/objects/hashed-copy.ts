import { createHash, randomUUID } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { onDisk } from './object-failures.js';

/** What went through: its digest and its length. */
export type Copied = { readonly digest: string; readonly bytes: number };

/** Where a copy goes. `durable`: it outlives a power failure; a copy to work on need not, and waits for no disk. */
export type CopyTarget = { readonly path: string; readonly mode: number; readonly durable: boolean };

/** Of a large table, smaller blocks cost more than hashing them does. */
const blockBytes = 1 << 20;

/** A file from its beginning, in blocks of 1 MiB. Each block is only good until the next is asked for: they share one buffer. */
export async function* blocksOf(file: FileHandle): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(blockBytes);
  for (let at = 0; ;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/**
 * Writes chunks to a new file, hashing them on the way. The file must not exist; a failed copy leaves none.
 * @param target.mode permissions of the finished file
 * @throws PerennialError `Unavailable` when the disk refuses; what the source throws is passed on as it is
 */
export async function copyHashed(source: AsyncIterable<Uint8Array>, target: CopyTarget): Promise<Copied> {
  const hash = createHash('sha256');
  let bytes = 0;
  const { path, mode, durable } = target;
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
        if (durable) await file.sync();
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
 * a rename. For copies to work on: a power failure may lose it.
 * @param check is given what was written and throws when it is not what it should be
 */
export async function replaceFile(
  source: AsyncIterable<Uint8Array>,
  target: { path: string; mode: number; check: (copied: Copied) => void },
): Promise<Copied> {
  const unfinished = `${target.path}.${randomUUID()}.part`;
  const copied = await copyHashed(source, { path: unfinished, mode: target.mode, durable: false });
  try {
    target.check(copied);
    await onDisk(target.path, () => rename(unfinished, target.path));
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  return copied;
}

/**
 * Whether a file holds the same bytes as what was copied into it. It says no less than a second digest does (the first one
 * was taken of the very chunks that were written) for a fraction of the work.
 */
export async function holdsSame(file: FileHandle, source: AsyncIterable<Uint8Array>): Promise<boolean> {
  const buffer = Buffer.allocUnsafe(blockBytes);
  let at = 0;
  for await (const chunk of source) {
    for (let from = 0; from < chunk.byteLength;) {
      const length = Math.min(blockBytes, chunk.byteLength - from);
      const { bytesRead } = await file.read(buffer, 0, length, at);
      if (bytesRead === 0 || buffer.compare(chunk, from, from + bytesRead, 0, bytesRead) !== 0) return false;
      from += bytesRead;
      at += bytesRead;
    }
  }
  return (await file.stat()).size === at;
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
