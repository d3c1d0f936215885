import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { runCli } from '../../clients/cli/run-cli.js';

async function cli(home: string, args: readonly string[], stdin = '') {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') =>
    new Writable({
      write(chunk, _encoding, done) {
        written[name] += String(chunk);
        done();
      },
    });
  const code = await runCli(['keys', ...args], {
    env: { PERENNIAL_HOME: home },
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    stdin: Readable.from([stdin]),
  });
  return { code, ...written };
}

const home = () => mkdtempSync(join(tmpdir(), 'perennial-keys-'));

describe('keys', () => {
  test('are made with a secret that is shown once, listed without it, and revoked', async () => {
    const here = home();
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
    const here = home();
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
    const refused = await cli(home(), args);
    expect(refused.code).toBe(code);
    expect(refused.stderr).toMatch(message);
  });
});
