import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ObjectStore } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import { digestOf, objectKey } from './digest.js';
import { blocksOf, copyHashed, hashAll, holdsSame, replaceFile } from './hashed-copy.js';
import { absentObject, notAsWritten, onDisk, otherBytes, unreadableSource } from './object-failures.js';
import { syncFolder } from './sync-folder.js';

const abandonedMs = 24 * 3_600_000;

/**
 * Objects as files, `<folder>/sha256/ab/cdef…`, readable by all and writable by none. A file appears under its key only
 * when it is complete, durable and read back, so a crash, a full disk or a broken one leaves no part of an object there.
 * Several processes may use one folder, and put the same bytes at once.
 * @throws PerennialError `Unavailable` from every method when the disk refuses; it names the path
 */
export async function openFileObjectStore(folder: string): Promise<ObjectStore> {
  const incoming = join(folder, 'incoming');
  await onDisk(folder, async () => {
    await mkdir(incoming, { recursive: true });
    await removeAbandoned(incoming);
  });
  const pathOf = (digest: string): string => join(folder, objectKey(digest));

  /** @param source.chunks gives the bytes from the beginning, each time it is called */
  async function store(source: { chunks(): AsyncIterable<Uint8Array>; expected?: string }): Promise<{ digest: string; bytes: number }> {
    return onDisk(folder, async () => {
      const unfinished = join(incoming, randomUUID());
      const copied = await copyHashed(source.chunks(), { path: unfinished, mode: 0o444, durable: true });
      try {
        const wanted = source.expected ?? copied.digest;
        // Before the rename: what does not read back must never be seen under its key.
        if (copied.digest !== wanted || !(await withFile(unfinished, (file) => holdsSame(file, source.chunks())))) {
          const { digest: found } = await withFile(unfinished, (file) => hashAll(blocksOf(file)));
          throw notAsWritten({ digest: wanted, found, store: folder });
        }
        await publish(unfinished, pathOf(wanted));
      } catch (error) {
        await rm(unfinished, { force: true });
        throw error;
      }
      return copied;
    });
  }

  /** Opens an object's file; absent and symbolic-linked ones are refused. */
  async function openObject(digest: string): Promise<FileHandle> {
    try {
      return await open(pathOf(digest), constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') throw absentObject(digest, folder);
      if (code === 'ELOOP') throw otherBytes({ digest, found: 'none (a symbolic link)', store: folder });
      throw error;
    }
  }

  async function isIntact(digest: string): Promise<boolean> {
    try {
      const file = await openObject(digest);
      try {
        return (await hashAll(blocksOf(file))).digest === digest;
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof PerennialError && error.type === 'ArtifactRejected') return false;
      throw error;
    }
  }

  return {
    async put(bytes, mediaType) {
      const digest = digestOf(bytes);
      const ref = { digest, bytes: bytes.byteLength, mediaType };
      // A damaged object is replaced by the bytes that belong there.
      if (await onDisk(folder, () => isIntact(digest))) return ref;
      await store({ chunks: () => chunksOf(bytes), expected: digest });
      return ref;
    },

    async putFile(path, mediaType) {
      const { digest, bytes } = await store({ chunks: () => chunksOfFile(path) });
      return { digest, bytes, mediaType };
    },

    get: (digest) =>
      onDisk(folder, async () => {
        const file = await openObject(digest);
        try {
          const bytes = await file.readFile();
          const found = digestOf(bytes);
          if (found !== digest) throw otherBytes({ digest, found, store: folder });
          return bytes;
        } finally {
          await file.close();
        }
      }),

    getFile: (digest, path) =>
      onDisk(folder, async () => {
        const file = await openObject(digest);
        const check = ({ digest: found }: { digest: string }): void => {
          if (found !== digest) throw otherBytes({ digest, found, store: folder });
        };
        try {
          await replaceFile(blocksOf(file), { path, mode: 0o644, check });
        } finally {
          await file.close();
        }
      }),

    has: (digest) =>
      onDisk(folder, async () => {
        const found = await stat(pathOf(digest)).catch((error: NodeJS.ErrnoException) => {
          if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
          throw error;
        });
        return found?.isFile() ?? false;
      }),
  };
}

async function publish(unfinished: string, path: string): Promise<void> {
  const made = await mkdir(dirname(path), { recursive: true });
  await rename(unfinished, path);
  await syncFolder(dirname(path));
  // A folder made on the way must itself be durable, or its name is lost with the power.
  if (made !== undefined) {
    await syncFolder(dirname(dirname(path)));
    await syncFolder(dirname(made));
  }
}

async function removeAbandoned(incoming: string): Promise<void> {
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > abandonedMs) await rm(path, { force: true });
  }
}

async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* chunksOfFile(path: string): AsyncGenerator<Uint8Array> {
  try {
    const file = await open(path, 'r');
    try {
      yield* blocksOf(file);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw unreadableSource(path, cause);
  }
}
