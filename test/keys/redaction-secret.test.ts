import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ensureRedactionSecret } from '../../adapters/keys/redaction-secret.js';
import { readConfig } from '../../workers/config.js';
import { temporaryFolder } from '../objects/temporary-folder.js';

const environment = { DATABASE_URL: 'postgres://localhost/x', PERENNIAL_WORKFLOW_BUNDLE: '/bundle.js', PERENNIAL_HOME: '/home/p' };

test('the secret of redacted captures is made once, for its owner alone', async () => {
  const folder = join(temporaryFolder(), 'gateway');
  const [first, second] = await Promise.all([ensureRedactionSecret(folder), ensureRedactionSecret(folder)]);
  expect(first).toBe(second);
  expect(first.length).toBeGreaterThanOrEqual(43);
  expect(statSync(join(folder, 'redaction')).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(folder, 'redaction'), 'utf8').trim()).toBe(first);
  writeFileSync(join(folder, 'redaction'), 'short', { mode: 0o600 });
  await expect(ensureRedactionSecret(folder)).rejects.toThrow(/shorter than 32 characters/);
});

test('captures go beside the objects unless their place is named; a secret that is given is a long one', () => {
  expect(readConfig(environment)).toMatchObject({ captures: '/home/p/captures', redactionSecret: null });
  expect(readConfig({ ...environment, PERENNIAL_OBJECTS: 's3://bucket/objects/' }).captures).toBe('s3://bucket/objects/captures');
  expect(readConfig({ ...environment, PERENNIAL_OBJECTS: '/data/objects' }).captures).toBe('/home/p/captures');
  expect(readConfig({ ...environment, PERENNIAL_CAPTURES: 's3://other' }).captures).toBe('s3://other');
  expect(() => readConfig({ ...environment, PERENNIAL_REDACTION_SECRET: 'x' })).toThrow(/PERENNIAL_REDACTION_SECRET has 1 characters/);
});
