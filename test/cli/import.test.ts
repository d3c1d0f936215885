import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../adapters/objects/digest.js';
import type { RunSummary, VersionDetails } from '../../clients/api/answers.js';
import type { ImportedModel } from '../../contracts/imported-model.js';
import { fakeCompute } from '../clients/fake-compute.js';
import { openStack, type Stack } from '../clients/stack.js';
import { until } from '../workflows/waiting.js';

const onnx = fileURLToPath(new URL('../conformance/models/sum-model.onnx', import.meta.url));
const digest = digestOf(readFileSync(onnx));

let stack: Stack;
beforeAll(async () => {
  stack = await openStack();
  await stack.approver('ann');
});
afterAll(() => stack?.close());

const json = <T>(text: string): T => JSON.parse(text) as T;
function file(name: string, value: unknown): string {
  const path = join(stack.home, name);
  writeFileSync(path, JSON.stringify(value));
  return path;
}
const request = () => file('request.json', { inputs: [{ name: 'age', datatype: 'FP32', shape: [1, 1], data: [0.5] }] });
const answer = () => file('answer.json', { outputs: [{ name: 'label', datatype: 'INT64', shape: [1], data: [1] }] });
const waiting = (model: string, version: string) =>
  until(async () => (await stack.registry.status(model)).waiting.some((asked) => asked.version === version));

/** The command to its end, with ann's yes when its version waits for one. */
async function importedWithYes(model: string, args: string[], version = '1.0.0'): ReturnType<Stack['cli']> {
  const running = stack.cli(['import', model, onnx, ...args, '--wait']);
  await waiting(model, version);
  expect((await stack.cli(['approve', model, version, '--by', 'ann', '--yes'])).code).toBe(0);
  return running;
}

describe('import', () => {
  test('--wait looks at the file, uploads it, and shows each step of its run to the end', async () => {
    const { name: model } = await stack.publishImported();
    const { code, stdout } = await importedWithYes(model, ['--framework', 'xgboost 3.1.2']);
    expect(code).toBe(0);
    const steps = ['begin', 'evaluate', 'gates', 'package', 'sign', 'register', 'approval', 'rollout'];
    expect([...stdout.matchAll(/^✓ (\w+)/gm)].map(([, step]) => step)).toEqual(steps);
    const order = [`sum-model.onnx: ${readFileSync(onnx).length} bytes, ${digest}`, 'Uploaded in', 'has started', '✓ begin', 'promoted'];
    expect(order.map((text) => stdout.indexOf(text))).toEqual(order.map((text) => stdout.indexOf(text)).toSorted((a, b) => a - b));
    expect(stdout).toContain(order[0]);
    expect(await stack.objects.has(digest)).toBe(true);
  });

  test('brings with it what was told, and --wait --json prints the run alone on stdout', async () => {
    const { name: model } = await stack.publishImported();
    const files = ['--example', request(), '--expect', answer(), '--tolerance', '1e-3'];
    const told = ['--framework', 'xgboost 3.1.2', '--trained-to', '2026-10-01', '--reason', 'October', '--by', 'ann'];
    const { stdout, stderr, code } = await importedWithYes(model, [...files, ...told, '--json']);
    expect(code).toBe(0);
    const ended = json<{ run: string }>(stdout);
    expect(ended).toMatchObject({ version: '1.0.0', outcome: 'promoted', metrics: [] });
    expect(stderr).toMatch(/✓ evaluate .*xgboost 3\.1\.2/);
    const handle = stack.client.workflow.getHandle(`retrain:${model}:${ended.run}`);
    const { events = [] } = await handle.fetchHistory();
    const payload = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data;
    const input = json<{ imported: ImportedModel }>(Buffer.from(payload!).toString('utf8'));
    const at = (path: string) => ({
      digest: digestOf(readFileSync(path)),
      bytes: readFileSync(path).length,
      mediaType: 'application/json',
    });
    expect(input.imported).toEqual({
      onnx: { digest, bytes: readFileSync(onnx).length, mediaType: 'application/onnx' },
      example: at(request()),
      expected: at(answer()),
      framework: 'xgboost 3.1.2',
      tolerance: 1e-3,
      trainedToMs: Date.UTC(2026, 9, 1),
    });
    const [run] = json<RunSummary[]>((await stack.cli(['runs', model, '--json'])).stdout);
    expect(run).toMatchObject({ reason: 'October', trigger: 'manual' });
  });

  test('says what to do next, and the version goes live when it is approved', async () => {
    const { name: model } = await stack.publishImported();
    await importedWithYes(model, []);
    const { stdout } = await stack.cli(['import', model, onnx]);
    expect(stdout).toContain(`Follow it with ./perennial status ${model} --watch`);
    expect(stdout).toContain(`./perennial approve ${model} <version>`);
    await waiting(model, '1.0.1');
    const approved = await stack.cli(['approve', model, '1.0.1', '--by', 'ann', '--yes']);
    expect(approved.stdout).toMatch(/^imported +from skl2onnx 1\.19\.1$/m);
    expect(approved.stdout).toMatch(/^compared +its answers were compared with nothing/m);
    expect(approved.stdout).not.toMatch(/candidate +over/);
    expect(approved.code).toBe(0);
    await until(async () => (await stack.registry.status(model)).aliases.champion === '1.0.1');
  });

  test('of a model that is trained here, and training of an imported one, are refused with the reason', async () => {
    const { name: trained } = await stack.publish();
    const before = await stack.cli(['import', trained, onnx, '--json']);
    expect(before.code).toBe(1);
    expect(json(before.stdout)).toEqual({ kind: 'refused', reason: expect.stringMatching(/is trained here, by its definition/) as string });
    const { name: imported } = await stack.publishImported();
    const { code, stdout } = await stack.cli(['train', imported]);
    expect(code).toBe(1);
    expect(stdout).toContain(`./perennial import ${imported} model.onnx`);
  });

  test('of a model that nobody published names those that are', async () => {
    const { name } = await stack.publishImported();
    const { code, stderr } = await stack.cli(['import', 'nowhere', onnx]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/There is no model nowhere\. The models are /);
    expect(stderr).toContain(name);
  });
});

describe('an imported model', () => {
  test('that has no version yet is told how it gets one', async () => {
    const { name: model } = await stack.publishImported();
    const way = `Import one: ./perennial import ${model} model.onnx`;
    for (const verb of ['status', 'runs', 'versions']) expect((await stack.cli([verb, model])).stdout).toContain(way);
    for (const verb of ['show', 'predict']) expect((await stack.cli([verb, model])).stderr).toContain(way);
    const { stdout } = await stack.cli(['status', model]);
    expect(stdout).toMatch(/^triggers +none: its versions are imported$/m);
    expect((await stack.cli(['schedules', 'list', model])).stdout).toBe(`${model} has none: its versions are imported.\n`);
    const backfill = await stack.cli(['schedules', 'backfill', model, '--from', '2026-01-01', '--to', '2026-01-02']);
    expect([backfill.code, backfill.stderr]).toEqual([1, expect.stringMatching(/are imported: there is no data here/)]);
  });

  test('shows where its version comes from, how near it is, and its tensors', async () => {
    const { name: model } = await stack.publishImported();
    const told = ['--framework', 'xgboost 3.1.2', '--example', request(), '--expect', answer()];
    await importedWithYes(model, told);
    const { stdout } = await stack.cli(['show', model]);
    expect(stdout).toMatch(/^imported +from xgboost 3\.1\.2$/m);
    expect(stdout).toMatch(/^compared +2 values as the native model answers them, largest difference 3\.0e-7, tolerance 0\.0001$/m);
    expect(stdout).toMatch(/^takes +age FP32 \[-1,1\], plan BYTES \[-1,1\]$/m);
    expect(stdout).toMatch(/^answers +label INT64 \[-1\], probabilities FP32 \[-1,2\]$/m);
    expect(stdout).toMatch(/^trained on +not told: it was imported$/m);
    expect(stdout).not.toMatch(/^parameters/m);
    const shown = json<VersionDetails & { imported: object }>((await stack.cli(['show', model, '--json'])).stdout);
    expect(shown.imported).toMatchObject({ framework: 'xgboost 3.1.2', parity: { tolerance: 1e-4 } });
    const [run] = await stack.registry.runs({ model });
    const steps = (await stack.cli(['runs', model, run!.run])).stdout;
    expect(steps).toMatch(/^evaluate +done/m);
    expect(steps).not.toMatch(/extract|tune|metric/);
  });

  test('while its file is looked at does not train', async () => {
    const { name: model } = await stack.publishImported();
    let goOn: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    const evaluate = fakeCompute(stack.objects).evaluateImport!;
    stack.override({
      evaluateImport: async (input) => {
        await gate;
        return await evaluate(input);
      },
    });
    const first = json<{ run: string }>((await stack.cli(['import', model, onnx, '--json'])).stdout);
    await until(async () => (await stack.cli(['status', model])).stdout.includes(`${first.run} is looked at`));
    const second = await stack.cli(['import', model, onnx]);
    expect(second.stdout).toContain(`queues behind ${first.run}, which is looked at now`);
    goOn();
    stack.override({ evaluateImport: evaluate });
    await waiting(model, '1.0.1');
  });
});
