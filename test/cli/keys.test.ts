import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { emptyHome, run } from './run.js';

const cli = (home: string, args: readonly string[], stdin = '') => run(['keys', ...args], { env: { PERENNIAL_HOME: home }, stdin });

describe('keys', () => {
  test('are made with a secret that is shown once, listed without it, and revoked', async () => {
    const here = emptyHome();
    const made = await cli(here, ['create', 'shop', '--model', 'demand', 'churn', '--rate', '5', '--expires', '2999-01-01', '--json']);
    expect(made.code).toBe(0);
    const { secret, ...key } = JSON.parse(made.stdout) as { secret: string };
    expect(secret).toMatch(/^pk_[\w-]{43}$/);
    expect(key).toMatchObject({ name: 'shop', role: 'predict', models: ['demand', 'churn'], requestsPerSecond: 5 });
    expect(readFileSync(join(here, 'gateway-keys.json'), 'utf8')).not.toContain(secret);
    const listed = await cli(here, []);
    expect(listed.stdout).toMatch(/shop\s+predict\s+demand, churn\s+5\/s\s.*active/);
    expect(listed.stdout).not.toContain(secret);
    expect(await cli(here, ['create', 'shop'])).toMatchObject({ code: 1, stderr: expect.stringContaining('There is a key shop already') });
    expect((await cli(here, ['revoke', 'shop'])).code).toBe(0);
    expect((await cli(here, ['list', '--json'])).stdout).toContain('"revoked"');
    expect(await cli(here, ['revoke', 'shop'])).toMatchObject({ code: 1, stderr: expect.stringContaining('no key shop that counts') });
    expect((await cli(here, [])).stdout).toContain('No key counts any more. The gateway stays closed');
    // A name is free again once its key is revoked.
    expect((await cli(here, ['create', 'shop', '--role', 'admin'])).code).toBe(0);
    expect((await cli(here, [])).stdout).toMatch(/shop\s+admin\s+all\s+-\s/);
  });

  test('close the gateway to everybody else with the first one, which is said', async () => {
    const here = emptyHome();
    expect((await cli(here, [])).stdout).toContain('On loopback the gateway then answers everybody');
    expect((await cli(here, ['create', 'first'])).stdout).toContain('From now on the gateway asks every caller for a key');
    const second = await cli(here, ['create', 'second']);
    expect(second.stdout).not.toContain('From now on');
    expect((await cli(here, [])).stdout).not.toContain('No key counts any more');
  });

  test('of a model that is not there are made, and it is told', async () => {
    const here = emptyHome();
    const api = createServer((_request, response) => response.end(JSON.stringify([{ model: 'demand' }])));
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
    try {
      const env = { PERENNIAL_HOME: here, PERENNIAL_API_URL: url, PERENNIAL_TOKEN: 'any' };
      const made = await run(['keys', 'create', 'shop', '--model', 'demand', 'dmeand'], { env });
      expect(made).toMatchObject({
        code: 0,
        stderr:
          '! There is no model dmeand yet: demand is there. The key is made, and counts for it once it is published; if that was not meant, ./perennial keys revoke shop.\n',
      });
    } finally {
      await new Promise((resolve) => api.close(resolve));
    }
    const refusing = createServer((_request, response) => response.writeHead(401).end('{"error":"no"}'));
    await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve));
    try {
      const env = { PERENNIAL_HOME: here, PERENNIAL_API_URL: `http://127.0.0.1:${(refusing.address() as AddressInfo).port}` };
      // The secret was shown: that the API does not know this user is no reason to call it a failure.
      expect(await run(['keys', 'create', 'unasked', '--model', 'dmeand'], { env })).toMatchObject({ code: 0, stderr: '' });
    } finally {
      await new Promise((resolve) => refusing.close(resolve));
    }
    const alone = await cli(here, ['create', 'other', '--model', 'dmeand']);
    expect(alone).toMatchObject({ code: 0, stderr: '' });
  });

  test('of people take a password from stdin', async () => {
    const here = emptyHome();
    expect(await cli(here, ['create', 'ann', '--password'], 'short\n')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('shorter than 12'),
    });
    const made = await cli(here, ['create', 'ann', '--password', '--json'], 'correct horse battery\n');
    expect(made.code).toBe(0);
    expect(made.stdout).not.toContain('secret');
    expect(readFileSync(join(here, 'gateway-keys.json'), 'utf8')).toContain('"scrypt:');
  });

  test('of AWS’s form are shown as its clients want them, and their secret goes when they are revoked', async () => {
    const here = emptyHome();
    const file = join(here, 'gateway-keys.json');
    const made = await cli(here, ['create', 'jobs', '--aws', '--model', 'demand']);
    expect(made.code).toBe(0);
    const [, id, secret] = /\[jobs\]\naws_access_key_id = (\w{20})\naws_secret_access_key = ([\w-]{43})\n/.exec(made.stdout) ?? [];
    expect(made.stdout).toContain(`export AWS_ACCESS_KEY_ID=${id}\nexport AWS_SECRET_ACCESS_KEY=${secret}\n`);
    expect(readFileSync(file, 'utf8')).toContain(secret);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const more of [[], ['--json']]) {
      const listed = await cli(here, ['list', ...more]);
      expect(listed.stdout).toContain(id);
      expect(listed.stdout).not.toContain(secret);
    }
    expect((await cli(here, ['revoke', 'jobs'])).code).toBe(0);
    expect(readFileSync(file, 'utf8')).not.toContain(secret);
    expect((await cli(here, [])).stdout).toMatch(/jobs\s+predict\s+demand\s.*PRNL\w{16}\s+revoked/);
    const told = JSON.parse((await cli(here, ['create', 'jobs', '--aws', '--json'])).stdout) as Record<string, unknown>;
    expect(told).toMatchObject({ name: 'jobs', kind: 'aws', accessKeyId: expect.stringMatching(/^PRNL/) as string });
    expect(told['secretAccessKey']).not.toBe(secret);
    expect(await cli(here, ['create', 'x', '--aws', '--password'])).toMatchObject({ code: 2 });
  });

  test.each([
    ['a role that is none', ['create', 'x', '--role', 'root'], 2, /Allowed choices are predict, admin/],
    ['a rate that is none', ['create', 'x', '--rate', '0'], 2, /a number above 0/],
    ['an expiry that is past', ['create', 'x', '--expires', '2001-01-01'], 1, /would never count/],
    ['a name that is none', ['create', 'a b'], 1, /cannot name a key/],
  ])('are refused with %s', async (...[, args, code, message]) => {
    const refused = await cli(emptyHome(), args);
    expect(refused.code).toBe(code);
    expect(refused.stderr).toMatch(message);
  });
});
