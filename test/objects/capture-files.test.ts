import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { openCaptureFiles } from '../../adapters/captures/open-capture-files.js';
import { openS3, s3Credentials } from './s3-server.js';
import { temporaryFolder } from './temporary-folder.js';

const name = 'demand/champion/2026/11/21/13/05-07-042-a.jsonl';
const Bucket = 'captured';

const { proxy, direct } = await openS3(Bucket);

function finished(text: string): string {
  const path = join(temporaryFolder(), 'finished.jsonl');
  writeFileSync(path, text);
  return path;
}

describe('captured requests in a folder', () => {
  test('come under their name whole, and leave where they were', async () => {
    const folder = join(temporaryFolder(), 'captures');
    const files = await openCaptureFiles({ location: folder });
    const path = finished('{"a":1}\n');
    await files.put(name, path);
    expect(readFileSync(join(folder, name), 'utf8')).toBe('{"a":1}\n');
    expect(existsSync(path)).toBe(false);
    expect(readdirSync(join(folder, 'demand/champion/2026/11/21/13'))).toEqual(['05-07-042-a.jsonl']);
    const use = await files.diskUse();
    expect(use).toBeGreaterThan(0);
    expect(use).toBeLessThan(1);
  });

  test('stay at their path when the folder refuses', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'demand'), 'a file where a folder should be');
    const path = finished('{}\n');
    await expect((await openCaptureFiles({ location: folder })).put(name, path)).rejects.toMatchObject({ type: 'Unavailable' });
    expect(readFileSync(path, 'utf8')).toBe('{}\n');
  });
});

describe('captured requests in S3', () => {
  const open = (location: string) => openCaptureFiles({ location, endpoint: proxy.url, region: 'us-east-1', credentials: s3Credentials });

  test('are objects below the prefix', async () => {
    const path = finished('{"a":1}\n{"a":2}\n');
    await (await open(`s3://${Bucket}/live/`)).put(name, path);
    const { Body, ContentType } = await direct.send(new GetObjectCommand({ Bucket, Key: `live/${name}` }));
    expect(await Body!.transformToString()).toBe('{"a":1}\n{"a":2}\n');
    expect(ContentType).toBe('application/jsonlines');
    expect(existsSync(path)).toBe(false);
    expect(await (await open(`s3://${Bucket}`)).diskUse()).toBe(0);
  });

  test('stay at their path when the store refuses, and no part of them is there', async () => {
    const files = await open(`s3://${Bucket}/refused`);
    const path = finished('{}\n');
    proxy.next('PUT', ['broken', 'broken', 'broken']);
    await expect(files.put(name, path)).rejects.toMatchObject({ type: 'Unavailable', retryable: true });
    expect(existsSync(path)).toBe(true);
    expect((await direct.send(new ListObjectsV2Command({ Bucket, Prefix: 'refused/' }))).KeyCount).toBe(0);
    await files.put(name, path);
    expect((await direct.send(new ListObjectsV2Command({ Bucket, Prefix: 'refused/' }))).KeyCount).toBe(1);
  });
});

test('another place is refused, naming the variable', async () => {
  await expect(openCaptureFiles({ location: 'gs://bucket' })).rejects.toThrow(/Set PERENNIAL_CAPTURES/);
});
