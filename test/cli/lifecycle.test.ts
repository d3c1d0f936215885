import { ApplicationFailure } from '@temporalio/common';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyDecision } from '../../adapters/keys/decision-signature.js';
import { workflowIds } from '../../contracts/ids.js';
import type { RunResult } from '../../contracts/retrain.js';
import type { RunSummary, VersionDetails } from '../../clients/api/answers.js';
import { openStack, type Stack } from '../clients/stack.js';
import { until } from '../workflows/waiting.js';

let stack: Stack;
beforeAll(async () => {
  stack = await openStack();
});
afterAll(() => stack?.close());

const json = <T>(text: string): T => JSON.parse(text) as T;
const train = (model: string, asOf: string, ...more: string[]) => stack.cli(['train', model, '--as-of', asOf, ...more]);
const waiting = (model: string, version: string) =>
  until(async () => (await stack.registry.status(model)).waiting.some((request) => request.version === version));

/** A model with 1.0.0 live and 1.0.1 waiting for ann. */
async function withCandidate(risk: 'limited' | 'high' = 'limited') {
  const key = await stack.approver('ann');
  const { name: model } = await stack.publish({ risk, rollout: { plan: 'blue-green', limits: (await stack.publish()).rollout.limits } });
  if (risk === 'limited') expect((await train(model, '2011-10-01', '--wait')).code).toBe(0);
  const started = await train(model, '2011-11-01', '--json');
  const { workflowId } = json<{ workflowId: string }>(started.stdout);
  const version = risk === 'limited' ? '1.0.1' : '1.0.0';
  await waiting(model, version);
  const result = async () => (await stack.client.workflow.getHandle(workflowId).result()) as RunResult;
  return { model, version, key, result };
}

describe('train', () => {
  test('--wait shows each step with the link before and after', async () => {
    const { name: model } = await stack.publish();
    const shown = await train(model, '2011-10-01', '--wait');
    expect(shown.stdout).toMatch(/has started/);
    for (const step of ['extract', 'features', 'tune', 'evaluate', 'gates', 'register', 'approval', 'rollout'])
      expect(shown.stdout).toMatch(new RegExp(`✓ ${step}`));
    const link = `http://127.0.0.1:8233/namespaces/${stack.temporal.namespace}/workflows/retrain%3A${model}%3A`;
    expect(shown.stdout.split(link)).toHaveLength(3);
    expect(shown.stdout).toMatch(/promoted/);
  });

  test('--wait --json prints the run object alone on stdout and everything else on stderr', async () => {
    const { name: model } = await stack.publish();
    const { code, stdout, stderr } = await train(model, '2011-10-01', '--wait', '--json', '--reason', 'a look');
    expect(code).toBe(0);
    const document = json<Record<string, unknown>>(stdout);
    expect(Object.keys(document)).toEqual(['run', 'version', 'outcome', 'reason', 'metrics', 'gates', 'seconds']);
    expect(document).toMatchObject({ version: '1.0.0', outcome: 'promoted' });
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/✓ extract/);
    const [run] = json<RunSummary[]>((await stack.cli(['runs', model, '--json'])).stdout);
    expect(run).toMatchObject({ reason: 'a look', trigger: 'manual', asOfMs: Date.UTC(2011, 9, 1) });
  });

  test('ends with code 1 when the run failed, and says why', async () => {
    const { name: model } = await stack.publish();
    stack.override({ checkData: () => Promise.reject(ApplicationFailure.nonRetryable('column temp is missing', 'DataInvalid')) });
    const { code, stdout } = await train(model, '2011-10-01', '--wait');
    stack.override({ checkData: async () => ({ rows: 1, columns: [], absentSlots: 0 }) });
    expect(code).toBe(1);
    expect(stdout).toMatch(/failed/);
    expect(stdout).toMatch(/column temp is missing/);
    expect((await stack.cli(['status', model])).stdout).toMatch(/ failed: .*column temp is missing/);
  });

  test('says behind which run it queues', async () => {
    const { name: model } = await stack.publish();
    let goOn: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    stack.override({
      checkData: async () => {
        await gate;
        return { rows: 1, columns: [], absentSlots: 0 };
      },
    });
    const first = json<{ run: string }>((await train(model, '2011-10-01', '--json')).stdout);
    const second = await train(model, '2011-10-02');
    expect(second.stdout).toMatch(`queues behind ${first.run}`);
    goOn();
    await until(async () => (await stack.registry.status(model)).aliases.champion !== undefined);
  });
});

describe('approve', () => {
  test('shows the request, signs with the local key, and the version goes live', async () => {
    const { model, version, key, result } = await withCandidate();
    const { code, stdout } = await stack.cli([
      'approve',
      model,
      version,
      '--by',
      'ann',
      '--ticket',
      'OPS-7',
      '--reason',
      'looks right',
      '--yes',
    ]);
    expect(stdout).toMatch(/mape\s+13\.2%\s+\d.* rows?.*\s+13\.2%\s+14\.5%\s+\d/);
    expect(stdout).toMatch(/Rollout plan blue-green/);
    expect(stdout).toMatch(/is approved \(signed\)/);
    expect(code).toBe(0);
    expect((await result()).outcome).toBe('promoted');

    const shown = json<VersionDetails>((await stack.cli(['show', `models:/${model}@champion`, '--json'])).stdout);
    expect(shown).toMatchObject({ version: '1.0.1', stage: 'Production', aliases: ['champion'] });
    const [decision] = shown.request?.decisions ?? [];
    expect(decision).toMatchObject({ by: 'ann', identity: 'signed', ticket: 'OPS-7' });
    expect(verifyDecision({ model, ...decision! }, decision!.signature!, key.publicKeyPem)).toBe(true);
  });

  test('of a version that does not wait is refused with the reason and code 1', async () => {
    const { model, version } = await withCandidate();
    expect((await stack.cli(['reject', model, version, '--by', 'ann', '--yes'])).stdout).toMatch(/is rejected/);
    const { code, stdout } = await stack.cli(['approve', model, version, '--by', 'ann', '--yes']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/rejected already/);
  });

  test('asks nobody when there is no terminal', async () => {
    const { model, version } = await withCandidate();
    const { code, stderr } = await stack.cli(['approve', model, version, '--by', 'ann']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/Add --yes/);
    expect((await stack.registry.status(model)).waiting).toHaveLength(1);
  });

  test('of high risk does not count without a key here, and counts with one', async () => {
    const { model, version } = await withCandidate('high');
    await stack.approver('ben');
    const unsigned = await stack.cli(['approve', model, version, '--by', 'ann', '--yes'], {
      env: { PERENNIAL_KEYS: `${stack.home}/elsewhere` },
    });
    expect(unsigned.code).toBe(1);
    expect(unsigned.stderr).toMatch(/goes unsigned/);
    expect(unsigned.stdout).toMatch(/high risk/);
    const signed = await stack.cli(['approve', model, version, '--by', 'ann', '--yes', '--json']);
    expect(json(signed.stdout)).toMatchObject({ kind: 'settled', identity: 'signed' });
  });

  test('by plain `temporal workflow signal` does the same', async () => {
    const { model, version, result } = await withCandidate();
    const { executable, address, namespace } = stack.temporal;
    const input = JSON.stringify({ version, by: 'ann', reason: 'by hand' });
    const place = ['--address', address, '--namespace', namespace, '--workflow-id', workflowIds.model(model)];
    await promisify(execFile)(executable, ['workflow', 'signal', ...place, '--name', 'approve', '--input', input]);
    expect((await result()).outcome).toBe('promoted');
    const { stdout } = await stack.cli(['audit', '--model', model, '--by', 'ann', '--json']);
    expect(stdout).toMatch(/by hand/);
  });
});

describe('a model that is live', () => {
  test('is rolled back, and rolls out again only after its investigation was closed', async () => {
    const { model, version, result } = await withCandidate();
    await stack.cli(['approve', model, version, '--by', 'ann', '--yes']);
    await result();
    const back = await stack.cli(['rollback', model, '--by', 'ann', '--reason', 'too high']);
    expect(back.stdout).toMatch(/1\.0\.0 serves all traffic again/);
    expect((await stack.cli(['status', model])).stdout).toMatch(/1\.0\.1 is under investigation/);

    const early = await stack.cli(['promote', model, version, '--by', 'ann']);
    expect(early.code).toBe(1);
    expect(early.stdout).toMatch(/investigation/);
    const [open] = json<{ id: string }[]>((await stack.cli(['investigations', 'list', model, '--json'])).stdout);
    expect((await stack.cli(['investigations', 'close', open!.id, '--reason', 'the feed was down', '--by', 'ann'])).stdout).toMatch(
      /Closed/,
    );
    const promoted = await stack.cli(['promote', model, version, '--by', 'ann']);
    expect(promoted.stdout).toMatch(/goes through its rollout/);
    await until(async () => (await stack.registry.status(model)).aliases.champion === version);
    await until(async () => (await stack.registry.rollout({ model }))?.status === 'promoted');
    const rollout = await stack.cli(['rollout', model, '--json']);
    expect(json(rollout.stdout)).toMatchObject({ rollout: { version, status: 'promoted' } });

    const [before] = await stack.registry.versions({ model }).then((versions) => versions.filter((one) => one.version === '1.0.0'));
    const at = new Date(before!.createdAtMs - 60_000).toISOString();
    expect((await stack.cli(['versions', model, '--at', at])).stdout).toMatch(/Nothing of .* was live/);
    expect((await stack.cli(['versions', model, '--at', new Date().toISOString()])).stdout).toMatch(/1\.0\.1 was live/);
  });

  test('is paused and resumed', async () => {
    const { name: model } = await stack.publish();
    expect((await stack.cli(['pause', model, '--reason', 'repairs', '--by', 'ann'])).code).toBe(0);
    const refused = await stack.cli(['train', model, '--json']);
    expect(refused.code).toBe(1);
    expect(json(refused.stdout)).toMatchObject({ kind: 'refused' });
    expect((await stack.cli(['pause', model])).stdout).toMatch(/Refused: it is paused already/);
    expect((await stack.cli(['resume', model])).code).toBe(0);
  });
});
