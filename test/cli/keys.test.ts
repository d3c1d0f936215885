import { readFileSync } from 'node:fs';
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
    // A name is free again once its key is revoked.
    expect((await cli(here, ['create', 'shop', '--role', 'admin'])).code).toBe(0);
    expect((await cli(here, [])).stdout).toMatch(/shop\s+admin\s+all\s+-\s/);
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
