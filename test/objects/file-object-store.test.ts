import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { build } from 'esbuild';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ObjectStore } from '../../activities/ports.js';
import { digestOf, objectKey } from '../../adapters/objects/digest.js';
import { openFileObjectStore } from '../../adapters/objects/file-object-store.js';
import { temporaryFolder } from './temporary-folder.js';

let folder: string;
let store: ObjectStore;
const bytes = Buffer.from('the model');
const digest = digestOf(bytes);

beforeEach(async () => {
  folder = join(temporaryFolder(), 'objects');
  store = await openFileObjectStore(folder);
});

const pathOf = (of: string): string => join(folder, objectKey(of));
/** Replaces a read-only object by other bytes, as a fault or an intruder would. */
function tamper(of: string, other: Uint8Array): void {
  chmodSync(pathOf(of), 0o644);
  writeFileSync(pathOf(of), other);
}
const filesBelow = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

describe('an object in files', () => {
  test('is found by its digest, read-only, under sha256/ab/cdef', async () => {
    expect(await store.put(bytes, 'text/plain')).toEqual({ digest, bytes: 9, mediaType: 'text/plain' });
    expect(Buffer.from(await store.get(digest))).toEqual(bytes);
    expect(await store.has(digest)).toBe(true);
    expect(statSync(pathOf(digest)).mode & 0o777).toBe(0o444);
    expect(objectKey(digest)).toBe(`sha256/${digest.slice(7, 9)}/${digest.slice(9)}`);
  });

  test('can be empty', async () => {
    const { digest: empty } = await store.put(new Uint8Array(), 'text/plain');
    expect(await store.get(empty)).toHaveLength(0);
  });

  test('streams in from a file and out to one', async () => {
    const big = Buffer.alloc(3_000_000, 'abcdefg');
    const source = join(folder, 'source');
    writeFileSync(source, big);
    const ref = await store.putFile(source, 'application/octet-stream');
    expect(ref).toEqual({ digest: digestOf(big), bytes: big.length, mediaType: 'application/octet-stream' });
    const target = join(folder, 'target');
    writeFileSync(target, 'before');
    await store.getFile(ref.digest, target);
    expect(readFileSync(target).equals(big)).toBe(true);
  });

  test('is one object however often and by whomever it is put at once', async () => {
    const stores = await Promise.all(Array.from({ length: 4 }, () => openFileObjectStore(folder)));
    const refs = await Promise.all(Array.from({ length: 40 }, (_, at) => (stores[at % 4] ?? store).put(bytes, 'text/plain')));
    expect(new Set(refs.map((ref) => ref.digest))).toEqual(new Set([digest]));
    expect(filesBelow(folder)).toEqual([pathOf(digest)]);
  });

  test('that is absent is refused by name', async () => {
    await expect(store.get(digest)).rejects.toMatchObject({ type: 'ArtifactRejected', message: expect.stringContaining(digest) });
    await expect(store.getFile(digest, join(folder, 'target'))).rejects.toMatchObject({ type: 'ArtifactRejected' });
    expect(await store.has(digest)).toBe(false);
  });

  test('is never handed out changed, whatever byte was flipped', async () => {
    await store.put(bytes, 'text/plain');
    for (let at = 0; at < bytes.length; at += 1) {
      const other = Buffer.from(bytes);
      other[at] = (other[at] ?? 0) ^ 1;
      tamper(digest, other);
      const failure = {
        type: 'ArtifactRejected',
        message: expect.stringContaining(digestOf(other)),
        details: { digest, found: digestOf(other) },
      };
      await expect(store.get(digest)).rejects.toMatchObject(failure);
      const target = join(folder, 'target');
      await expect(store.getFile(digest, target)).rejects.toMatchObject(failure);
      expect(existsSync(target)).toBe(false);
    }
  });

  test('that was cut off or lengthened is refused, and put again it is whole', async () => {
    await store.put(bytes, 'text/plain');
    for (const other of [bytes.subarray(0, 4), Buffer.alloc(0), Buffer.concat([bytes, bytes])]) {
      tamper(digest, other);
      await expect(store.get(digest)).rejects.toMatchObject({ type: 'ArtifactRejected' });
      await store.put(bytes, 'text/plain');
      expect(Buffer.from(await store.get(digest))).toEqual(bytes);
    }
  });

  test('is not followed through a symbolic link', async () => {
    await store.put(bytes, 'text/plain');
    const copy = join(folder, 'copy');
    writeFileSync(copy, bytes);
    rmSync(pathOf(digest), { force: true });
    symlinkSync(copy, pathOf(digest));
    await expect(store.get(digest)).rejects.toMatchObject({ type: 'ArtifactRejected' });
  });
});

test('nothing but a digest is a key, in any encoding', async () => {
  const hostile = [
    '',
    '..',
    '../../etc/passwd',
    'sha256:',
    'sha256:..',
    `sha256:../${'a'.repeat(61)}`,
    `sha256:${'A'.repeat(64)}`,
    `SHA256:${'a'.repeat(64)}`,
    `sha256:${'a'.repeat(63)}`,
    `sha256:${'a'.repeat(65)}`,
    `sha256:${'a'.repeat(64)}\n`,
    `sha256:${'a'.repeat(64)}/..`,
    `sha256:${'a'.repeat(64)}?x`,
    `sha256:%2e%2e${'a'.repeat(58)}`,
    `file:///${'a'.repeat(64)}`,
    `sha256:${'\u0430'.repeat(64)}`,
  ];
  for (const text of hostile) expect(() => objectKey(text), JSON.stringify(text)).toThrow(/is not an object digest/);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.string().map((text) => `sha256:${text}`),
        fc
          .mixedCase(fc.string({ unit: fc.constantFrom(...'0123456789abcdef/.'.split('')), minLength: 64, maxLength: 64 }))
          .map((text) => `sha256:${text}`),
      ),
      (text) => {
        try {
          expect(objectKey(text)).toMatch(/^sha256\/[0-9a-f]{2}\/[0-9a-f]{62}$/);
        } catch (error) {
          expect(error).toMatchObject({ type: 'ArtifactRejected' });
        }
      },
    ),
  );
  await expect(store.get('../secret')).rejects.toMatchObject({ type: 'ArtifactRejected' });
  await expect(store.has('sha256:../../secret')).rejects.toMatchObject({ type: 'ArtifactRejected' });
});

describe('a disk that refuses', () => {
  /** A process of its own, so that the limit on file sizes (here 64 KiB) is not the test's. */
  async function putUnderLimit(size: number): Promise<{ said: string; status: number | null }> {
    const program = join(folder, '..', 'put.mjs');
    await build({
      stdin: {
        contents: `import { openFileObjectStore } from ${JSON.stringify(join(import.meta.dirname, '../../adapters/objects/file-object-store.ts'))};
          process.on('SIGXFSZ', () => {});
          const store = await openFileObjectStore(${JSON.stringify(folder)});
          await store.put(Buffer.alloc(${size}, 7), 'text/plain').then((ref) => console.log(ref.digest), (error) => { console.log(error.type, error.message); process.exitCode = 3; });`,
        resolveDir: import.meta.dirname,
      },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: program,
      logLevel: 'silent',
    });
    const { stdout, stderr, status } = spawnSync('bash', ['-c', `ulimit -f 64; exec ${process.execPath} ${program}`], { encoding: 'utf8' });
    return { said: stdout + stderr, status };
  }

  test('takes a part of an object: none of it is visible, and the failure names the place', async () => {
    const small = await putUnderLimit(1000);
    expect(small).toMatchObject({ status: 0, said: expect.stringContaining('sha256:') });
    const before = filesBelow(folder);
    const large = await putUnderLimit(1_000_000);
    expect(large).toMatchObject({
      status: 3,
      said: expect.stringMatching(/Unavailable .*incoming.*EFBIG.*Nothing half-written is visible; free space/s),
    });
    expect(filesBelow(folder)).toEqual(before);
  });

  test('has the folder no longer: the failure is typed', async () => {
    rmSync(folder, { recursive: true });
    writeFileSync(folder, 'a file where the folder was');
    await expect(store.put(bytes, 'text/plain')).rejects.toMatchObject({ type: 'Unavailable', retryable: true });
    await expect(openFileObjectStore(folder)).rejects.toMatchObject({ type: 'Unavailable', message: expect.stringContaining(folder) });
  });

  test('lacks the file to store: the failure names it', async () => {
    await expect(store.putFile(join(folder, 'none'), 'text/plain')).rejects.toMatchObject({
      type: 'Unavailable',
      retryable: false,
      message: expect.stringContaining('none'),
    });
    mkdirSync(join(folder, 'directory'));
    await expect(store.putFile(join(folder, 'directory'), 'text/plain')).rejects.toMatchObject({ type: 'Unavailable', retryable: false });
    expect(filesBelow(folder)).toEqual([]);
  });
});
