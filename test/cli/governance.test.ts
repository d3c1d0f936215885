import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensurePersonKey } from '../../adapters/keys/person-key.js';
import { openStack, type Stack } from '../clients/stack.js';

let stack: Stack;
beforeAll(async () => {
  stack = await openStack({ withWorker: false });
});
afterAll(() => stack?.close());

const json = async (...args: string[]) => JSON.parse((await stack.cli([...args, '--json'])).stdout) as unknown;

describe('policy', () => {
  test('is shown, set with percentages and names, and has a history', async () => {
    expect(await json('policy')).toMatchObject({ version: 1, approvers: [] });
    const set = await stack.cli([
      'policy',
      'set',
      'highRiskRelativeDrop=7%',
      'approvers=ann,ben',
      'minRelativeImprovement=null',
      '--by',
      'ann',
      '--ticket',
      'OPS-2',
    ]);
    expect(set.code).toBe(0);
    expect(await json('policy', 'show')).toMatchObject({ version: 2, approvers: ['ann', 'ben'], highRiskRelativeDrop: 0.07 });
    const history = await stack.cli(['policy', 'history']);
    expect(history.stdout).toMatch(/highRiskRelativeDrop 0\.05 to 0\.07; |approvers \[\] to \["ann","ben"\]/);
    expect((await stack.cli(['policy', 'set', 'bias=1'])).stderr).toMatch(/there is no such field/);
    expect((await stack.cli(['policy', 'set', 'bias'])).stderr).toMatch(/write field=value/);
  });

  test('takes an approver with a public key', async () => {
    const key = await ensurePersonKey(join(stack.home, 'keys'), 'carla');
    const file = join(stack.home, 'carla.pub.pem');
    writeFileSync(file, key.publicKeyPem);
    expect((await stack.cli(['policy', 'add-approver', 'carla', '--public-key', file])).stdout).toMatch(/carla is an approver/);
    expect(await json('policy')).toMatchObject({ approvers: expect.arrayContaining(['carla']) as string[] });
    expect((await stack.cli(['policy', 'add-approver', 'dan', '--public-key', file])).stderr).toMatch(/registered as carla's/);
    expect((await stack.cli(['policy', 'add-approver', 'dan', '--public-key', '/nowhere.pem'])).stderr).toMatch(/cannot be read/);
  });
});

describe('audit', () => {
  test('shows who did what, and verifies its chain', async () => {
    await stack.cli(['policy', 'set', 'maxBias=0.2', '--by', 'ann', '--reason', 'stricter']);
    expect(await json('audit', '--by', 'ann', '--action', 'policy.edit', '--limit', '1')).toMatchObject([
      { by: 'ann', reason: 'stricter' },
    ]);
    const whole = await stack.cli(['audit', '--verify']);
    expect([whole.code, /The audit is whole/.test(whole.stdout)]).toEqual([0, true]);
    // Whoever owns the table can switch its protection off; then the chain shows it.
    await sql`alter table audit disable trigger user; update audit set reason = 'laxer' where reason = 'stricter'`.execute(stack.db);
    const broken = await stack.cli(['audit', '--verify']);
    expect([broken.code, /The audit is broken/.test(broken.stdout)]).toEqual([1, true]);
  });
});

describe('apply', () => {
  const clone = () => {
    const root = join(stack.home, 'clone');
    const models = join(root, 'models');
    if (!existsSync(models)) {
      mkdirSync(models, { recursive: true });
      const real = execFileSync('git', ['rev-parse', '--show-toplevel'], { encoding: 'utf8' }).trim();
      for (const part of ['contracts', 'domain', 'node_modules', 'package.json', 'tsconfig.json'])
        symlinkSync(join(real, part), join(root, part));
      symlinkSync(join(real, 'models', 'demand-forecast.ts'), join(models, 'demand-forecast.ts'));
    }
    return { root, models, env: { PERENNIAL_ROOT: root, PERENNIAL_BUILD: join(root, 'build') } };
  };

  test('publishes the definitions of the clone once, with their schedules', async () => {
    const { env } = clone();
    const first = await stack.cli(['apply', '--reason', 'the first'], { env });
    expect(first.stdout).toMatch(/published {2}demand-forecast {2}sha256:/);
    expect((await stack.cli(['apply'], { env })).stdout).toMatch(/unchanged {2}demand-forecast/);
    expect((await stack.client.schedule.getHandle('schedule:demand-forecast:daily').describe()).policies.catchupWindow).toBe(600_000);
    expect((await stack.cli(['status'])).stdout).toMatch(/demand-forecast/);
    const unknown = await stack.cli(['status', 'demand-forcast']);
    expect([unknown.code, unknown.stderr.includes('The models are demand-forecast')]).toEqual([1, true]);
  });

  test('names every fault of a definition and publishes nothing', async () => {
    const { env, models } = clone();
    writeFileSync(join(models, 'broken.ts'), 'export default { name: "broken", split: { kind: "random" } };\n');
    const { code, stderr } = await stack.cli(['apply'], { env });
    expect(code).toBe(1);
    expect(stderr).toMatch(/broken\.ts.*split\.kind/s);
    expect((await stack.cli(['apply', 'nothing'], { env })).code).toBe(1);
    expect((await stack.registry.models()).map(({ model }) => model)).not.toContain('broken');
  });
});
