import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ObjectStore } from '../../activities/ports.js';
import { base64OfDigest, digestOf, objectKey } from '../../adapters/objects/digest.js';
import { openObjectStore } from '../../adapters/objects/open-object-store.js';
import { freePort } from '../../tools/ports.mjs';
import { openS3, s3Credentials } from './s3-server.js';
import { temporaryFolder } from './temporary-folder.js';

const bytes = Buffer.from('the model of October');
const digest = digestOf(bytes);
const Bucket = 'models';

const { server, proxy, direct } = await openS3(Bucket);
let prefix: string;
let store: ObjectStore;

const open = (location: string, endpoint: string): Promise<ObjectStore> =>
  openObjectStore({ location, endpoint, region: 'us-east-1', credentials: s3Credentials });
const keyOf = (of: string): string => `${prefix}/${objectKey(of)}`;
const tamper = (of: string, other: Uint8Array): Promise<unknown> =>
  direct.send(new PutObjectCommand({ Bucket, Key: keyOf(of), Body: other }));

beforeEach(async () => {
  // Each test has keys of its own in the one bucket.
  prefix = `perennial/${Math.random().toString(36).slice(2)}`;
  store = await open(`s3://${Bucket}/${prefix}`, proxy.url);
  for (const method of ['GET', 'PUT', 'HEAD']) proxy.next(method, []);
  proxy.requests.length = 0;
});

describe('an object in S3', () => {
  test('is found by its digest, with its media type and its SHA-256', async () => {
    expect(await store.put(bytes, 'text/plain')).toEqual({ digest, bytes: bytes.length, mediaType: 'text/plain' });
    expect(Buffer.from(await store.get(digest))).toEqual(bytes);
    expect(await store.has(digest)).toBe(true);
    const head = await direct.send(new HeadObjectCommand({ Bucket, Key: keyOf(digest), ChecksumMode: 'ENABLED' }));
    expect(head).toMatchObject({ ContentType: 'text/plain', ContentLength: bytes.length, ChecksumSHA256: base64OfDigest(digest) });
  });

  test('streams in from a file and out to one', async () => {
    const folder = temporaryFolder();
    const big = Buffer.alloc(3_000_000, 'abcdefg');
    writeFileSync(join(folder, 'source'), big);
    const ref = await store.putFile(join(folder, 'source'), 'application/octet-stream');
    expect(ref).toEqual({ digest: digestOf(big), bytes: big.length, mediaType: 'application/octet-stream' });
    await store.getFile(ref.digest, join(folder, 'target'));
    expect(readFileSync(join(folder, 'target')).equals(big)).toBe(true);
  });

  test('can be empty', async () => {
    const { digest: empty } = await store.put(new Uint8Array(), 'text/plain');
    expect(await store.get(empty)).toHaveLength(0);
  });

  test('is one object however often it is put, and the second time nothing is sent', async () => {
    await Promise.all(Array.from({ length: 10 }, () => store.put(bytes, 'text/plain')));
    const { Contents } = await direct.send(new ListObjectsV2Command({ Bucket, Prefix: prefix }));
    expect(Contents?.map(({ Key }) => Key)).toEqual([keyOf(digest)]);
    proxy.requests.length = 0;
    await store.put(bytes, 'text/plain');
    expect(proxy.requests).not.toContain('PUT');
  });

  test('that is absent is refused by name', async () => {
    expect(await store.has(digest)).toBe(false);
    await expect(store.get(digest)).rejects.toMatchObject({ type: 'ArtifactRejected', message: expect.stringContaining(digest) });
  });

  test('is never handed out changed, and put again it is whole', async () => {
    await store.put(bytes, 'text/plain');
    for (const other of [Buffer.from('the model of Octobes'), bytes.subarray(1), Buffer.alloc(0)]) {
      await tamper(digest, other);
      const failure = { type: 'ArtifactRejected', details: { digest, found: digestOf(other) } };
      await expect(store.get(digest)).rejects.toMatchObject(failure);
      const target = join(temporaryFolder(), 'target');
      await expect(store.getFile(digest, target)).rejects.toMatchObject(failure);
      expect(existsSync(target)).toBe(false);
      await store.put(bytes, 'text/plain');
      expect(Buffer.from(await store.get(digest))).toEqual(bytes);
    }
  });

  test('has no other key than its digest', async () => {
    for (const hostile of ['../../other', 'sha256:..', `sha256:${'a'.repeat(64)}#`]) {
      await expect(store.get(hostile)).rejects.toMatchObject({ type: 'ArtifactRejected' });
      await expect(store.has(hostile)).rejects.toMatchObject({ type: 'ArtifactRejected' });
    }
    expect(proxy.requests).toEqual([]);
  });
});

describe('a store or a network at fault', () => {
  test('is tried three times, for bytes and for streams', async () => {
    const source = join(temporaryFolder(), 'source');
    writeFileSync(source, bytes);
    proxy.next('PUT', ['busy', 'reset']);
    proxy.next('GET', ['truncate', 'broken']);
    await store.putFile(source, 'text/plain');
    const other = Buffer.from('another');
    proxy.next('PUT', ['broken', 'busy']);
    await store.put(other, 'text/plain');
    proxy.next('GET', ['reset', 'truncate']);
    expect(Buffer.from(await store.get(digest))).toEqual(bytes);
    expect(Buffer.from(await store.get(digestOf(other)))).toEqual(other);
  });

  test('is given up after a bounded number of requests, as Unavailable', async () => {
    proxy.next(
      'PUT',
      Array.from({ length: 50 }, () => 'busy' as const),
    );
    await expect(store.put(bytes, 'text/plain')).rejects.toMatchObject({
      type: 'Unavailable',
      retryable: true,
      message: expect.stringContaining('SlowDown'),
    });
    expect(proxy.requests.filter((method) => method === 'PUT')).toHaveLength(3);
    expect(await store.has(digest)).toBe(false);
    await tamper(digest, bytes);
    proxy.next(
      'GET',
      Array.from({ length: 50 }, () => 'truncate' as const),
    );
    proxy.requests.length = 0;
    const target = join(temporaryFolder(), 'target');
    await expect(store.getFile(digest, target)).rejects.toMatchObject({ type: 'Unavailable', retryable: true });
    expect(proxy.requests).toHaveLength(3);
    expect(existsSync(target)).toBe(false);
  });

  test('that changes what it is read back is not believed', async () => {
    proxy.next('GET', ['flip']);
    await expect(store.put(bytes, 'text/plain')).rejects.toMatchObject({
      type: 'Unavailable',
      message: expect.stringContaining('gave back other bytes'),
    });
    await store.put(bytes, 'text/plain');
    proxy.next('GET', ['flip']);
    await expect(store.get(digest)).rejects.toMatchObject({ type: 'ArtifactRejected' });
  });

  test('is named when it is not there', async () => {
    const port = await freePort();
    const absent = await open(`s3://${Bucket}/x`, `http://127.0.0.1:${port}`);
    await expect(absent.get(digest)).rejects.toMatchObject({
      type: 'Unavailable',
      retryable: true,
      message: expect.stringMatching(/s3:\/\/models\/x.*PERENNIAL_S3_ENDPOINT/s),
    });
    const bucketless = await open('s3://no-such-bucket', server.url);
    await expect(bucketless.put(bytes, 'text/plain')).rejects.toMatchObject({
      type: 'Unavailable',
      retryable: false,
      message: expect.stringContaining('Create the bucket'),
    });
  });

  test('leaves the objects of others alone', async () => {
    await direct.send(new PutObjectCommand({ Bucket, Key: 'theirs', Body: 'x' }));
    await store.put(bytes, 'text/plain');
    expect(await (await direct.send(new GetObjectCommand({ Bucket, Key: 'theirs' }))).Body?.transformToString()).toBe('x');
  });
});

test('a place for objects is s3://bucket/prefix or a folder, and nothing else', async () => {
  for (const location of [
    '',
    's3://',
    's3://UPPER/x',
    's3://bucket/a/../b',
    'http://host/bucket',
    'gs://bucket',
    's3:///prefix',
    's3://bucket/a b',
  ]) {
    await expect(openObjectStore({ location }), location).rejects.toMatchObject({
      type: 'DataInvalid',
      message: expect.stringContaining('PERENNIAL_OBJECTS'),
    });
  }
  const folder = join(temporaryFolder(), 'new', 'folder');
  const files = await openObjectStore({ location: folder });
  await files.put(bytes, 'text/plain');
  expect(existsSync(join(folder, objectKey(digest)))).toBe(true);
});
