import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { changeGatewayKeys, loadGatewayKeys } from '../../adapters/keys/gateway-key-file.js';
import { makeAwsKey, makeGatewayKey } from '../../adapters/keys/gateway-key.js';
import { revokedKey } from '../../contracts/gateway-keys.js';
import type { GatewayKey } from '../../contracts/gateway-keys.js';

const folder = await mkdtemp(join(tmpdir(), 'perennial-aws-keys-'));
afterAll(() => rm(folder, { recursive: true }));
const file = join(folder, 'gateway-keys.json');

const of = { name: 'jobs', role: 'predict', models: null, requestsPerSecond: null, expiresAtMs: null } as const;
const { key, pair } = makeAwsKey(of, 1);

test('a file that holds secrets is refused when others may read it, until they are gone', async () => {
  await changeGatewayKeys(file, () => [key]);
  expect(await loadGatewayKeys(file)).toEqual([key]);
  for (const mode of [0o640, 0o604]) {
    await chmod(file, mode);
    await expect(loadGatewayKeys(file)).rejects.toThrow(/Others may read .* chmod 600 .* revoke those keys/);
  }
  await chmod(file, 0o600);
  await changeGatewayKeys(file, () => [revokedKey(key, 2), makeGatewayKey({ ...of, name: 'shop' }, 1).key]);
  await chmod(file, 0o644);
  expect((await loadGatewayKeys(file)).map(({ aws }) => aws)).toEqual([{ ...pair, secretAccessKey: null }, null]);
});

test('a file from before there were such keys is read', async () => {
  const { aws: _, ...before } = makeGatewayKey({ ...of, name: 'shop' }, 1).key;
  await writeFile(file, JSON.stringify({ version: 1, keys: [before] }), { mode: 0o600 });
  expect(await loadGatewayKeys(file)).toEqual([{ ...before, aws: null }]);
});

test.each<[string, Partial<GatewayKey>[], RegExp]>([
  ['neither digest nor pair', [{ aws: null }], /jobs has to have either a digest or a pair/],
  ['both', [{ digest: `sha256:${'0'.repeat(64)}` }], /jobs has to have either a digest or a pair/],
  ['an id twice', [{}, { name: 'jobs-2' }], /access key id PRNL\w{16} stands there twice/],
  ['an id that is none', [{ aws: { ...pair, accessKeyId: 'a/b' } }], /keys\.0\.aws\.accessKeyId/],
  ['a secret that is too short', [{ aws: { ...pair, secretAccessKey: 'abc' } }], /keys\.0\.aws\.secretAccessKey/],
])('a file with %s is refused', async (_, changes, message) => {
  await writeFile(file, JSON.stringify({ version: 1, keys: changes.map((change) => ({ ...key, ...change })) }), { mode: 0o600 });
  await expect(loadGatewayKeys(file)).rejects.toThrow(message);
});

test('no message about a broken file quotes a secret of it', async () => {
  const broken = `{"version":1,"keys":[{"aws":{"secretAccessKey":${pair.secretAccessKey}}}]}`;
  await writeFile(file, broken, { mode: 0o600 });
  const error = await loadGatewayKeys(file).then(
    () => expect.fail('it was read'),
    (reason: unknown) => reason as Error,
  );
  expect(error.message).toContain('it is no JSON');
  for (let from = 0; from + 6 <= pair.secretAccessKey.length; from++)
    expect(`${error.stack} ${String(error.cause)}`).not.toContain(pair.secretAccessKey.slice(from, from + 6));
});
