import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { blocksOf, copyHashed, holdsSame } from '../../adapters/objects/hashed-copy.js';
import { digestOf } from '../../adapters/objects/digest.js';
import { temporaryFolder } from './temporary-folder.js';

/** More than two blocks, so that borders between blocks are crossed. */
const bytes = Uint8Array.from({ length: 2 * 2 ** 20 + 12_345 }, (_, i) => (i * 7 + (i >> 8)) & 255);

async function* inChunks(whole: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < whole.byteLength; at += size) yield whole.subarray(at, at + size);
}

async function fileHolds(kept: Uint8Array, source: AsyncIterable<Uint8Array>): Promise<boolean> {
  const path = join(temporaryFolder(), 'kept');
  await writeFile(path, kept);
  const file = await open(path, 'r');
  try {
    return await holdsSame(file, source);
  } finally {
    await file.close();
  }
}

describe('a copy', () => {
  test('of a file in blocks is the file, with its digest', async () => {
    const folder = temporaryFolder();
    await writeFile(join(folder, 'source'), bytes);
    const file = await open(join(folder, 'source'), 'r');
    const copied = await copyHashed(blocksOf(file), { path: join(folder, 'copy'), mode: 0o644, durable: false });
    await file.close();
    expect(copied).toEqual({ digest: digestOf(bytes), bytes: bytes.byteLength });
    expect(Buffer.compare(await readFile(join(folder, 'copy')), bytes)).toBe(0);
  });

  test('is recognised in chunks of any size', async () => {
    for (const size of [1_000, 2 ** 20, 3 * 2 ** 20]) expect(await fileHolds(bytes, inChunks(bytes, size))).toBe(true);
    expect(await fileHolds(new Uint8Array(), inChunks(new Uint8Array(), 1))).toBe(true);
  });

  test('with one other byte, a byte less or a byte more is not the same', async () => {
    for (const at of [0, 2 ** 20, bytes.byteLength - 1]) {
      const flipped = Uint8Array.from(bytes);
      flipped[at]! ^= 1;
      expect(await fileHolds(flipped, inChunks(bytes, 2 ** 20))).toBe(false);
    }
    expect(await fileHolds(bytes.subarray(0, -1), inChunks(bytes, 2 ** 20))).toBe(false);
    expect(await fileHolds(Buffer.concat([bytes, Buffer.from([0])]), inChunks(bytes, 2 ** 20))).toBe(false);
  });
});
