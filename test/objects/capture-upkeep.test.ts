import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { readCaptureFileName } from '../../adapters/captures/capture-file-name.js';
import { openCaptureUpkeep } from '../../adapters/captures/open-capture-upkeep.js';
import { openS3, s3Credentials } from './s3-server.js';
import { temporaryFolder } from './temporary-folder.js';

const Bucket = 'captured';
const { server, proxy, direct } = await openS3(Bucket);
const beforeMs = Date.UTC(2026, 10, 21, 13, 5, 7, 42);

const old = [
  'demand/champion/2025/12/31/23/59-59-999-a.jsonl',
  'demand/champion/2026/11/21/12/00-00-000-b.jsonl',
  'demand/challenger/2026/11/21/13/05-07-041-c.jsonl',
  'demand/standby/2026/01/01/00/00-00-000-d.jsonl',
];
const young = [
  'demand/champion/2026/11/21/13/05-07-042-e.jsonl',
  'demand/shadow/2026/11/22/00/00-00-000-f.jsonl',
  'demand/champion/2027/01/01/00/00-00-000-g.jsonl',
];
// Of another model, and what is no capture at all.
const others = [
  'demand-2/champion/2020/01/01/00/00-00-000-h.jsonl',
  'demand/champion/2020/01/01/00/notes.txt',
  'demand/champion/2020/readme.md',
  'demand/reports/2020/01/01/00/00-00-000-i.jsonl',
];

test('a name says whose file it is and when it was begun', () => {
  expect(readCaptureFileName(young[0]!)).toEqual({ model: 'demand', beganMs: beforeMs });
  for (const name of others.slice(1)) expect(readCaptureFileName(name)).toBeNull();
});

describe('old captures in a folder', () => {
  test('go with the folders that are empty then; the rest stays', async () => {
    const folder = join(temporaryFolder(), 'captures');
    const upkeep = await openCaptureUpkeep({ location: folder });
    expect(await upkeep.removeBefore('demand', beforeMs)).toBe(0);
    for (const name of [...old, ...young, ...others]) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), '{}\n');
    }
    expect(await upkeep.removeBefore('demand', beforeMs)).toBe(old.length);
    expect(await upkeep.removeBefore('demand', beforeMs)).toBe(0);
    for (const name of old) expect(existsSync(join(folder, name)), name).toBe(false);
    for (const name of [...young, ...others]) expect(existsSync(join(folder, name)), name).toBe(true);
    expect(readdirSync(join(folder, 'demand')).sort()).toEqual(['challenger', 'champion', 'reports', 'shadow', 'standby']);
    expect(readdirSync(join(folder, 'demand/challenger'))).toEqual([]);
  });

  test('go in portions', async () => {
    const folder = join(temporaryFolder(), 'captures');
    const hour = join(folder, 'demand/champion/2020/01/01/00');
    mkdirSync(hour, { recursive: true });
    for (let i = 0; i < 1_200; i++) writeFileSync(join(hour, `00-00-000-${i}.jsonl`), '');
    const upkeep = await openCaptureUpkeep({ location: folder });
    expect(await upkeep.removeBefore('demand', beforeMs)).toBe(1_000);
    expect(await upkeep.removeBefore('demand', beforeMs)).toBe(200);
    expect(existsSync(join(folder, 'demand/champion/2020'))).toBe(false);
  });
});

describe('old captures in S3', () => {
  const open = (location: string, url = server.url) =>
    openCaptureUpkeep({ location, endpoint: url, region: 'us-east-1', credentials: s3Credentials });

  test.each(['', 'live/'])('go from below %j; the rest stays', async (prefix) => {
    const upkeep = await open(`s3://${Bucket}/${prefix}`);
    const names = [...old, ...young, ...others];
    for (const name of names) await direct.send(new PutObjectCommand({ Bucket, Key: `${prefix}${name}`, Body: '{}\n' }));
    expect(await upkeep.removeBefore('demand', beforeMs)).toBe(old.length);
    expect(await upkeep.removeBefore('demand', beforeMs)).toBe(0);
    const { Contents = [] } = await direct.send(new ListObjectsV2Command({ Bucket, Prefix: `${prefix}demand` }));
    expect(Contents.map(({ Key }) => Key!.slice(prefix.length)).sort()).toEqual([...young, ...others].sort());
  });

  test('are told when the store refuses, to be tried again', async () => {
    const upkeep = await open(`s3://${Bucket}`, proxy.url);
    proxy.next('GET', ['broken', 'broken', 'broken']);
    await expect(upkeep.removeBefore('demand', beforeMs)).rejects.toMatchObject({ type: 'Unavailable', retryable: true });
    await expect((await open('s3://no-such-bucket')).removeBefore('demand', beforeMs)).rejects.toMatchObject({
      type: 'Unavailable',
      retryable: false,
    });
  });
});
