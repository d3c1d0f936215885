import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { publishDefinitions } from '../../adapters/postgres/definitions.js';
import { editPolicy } from '../../adapters/postgres/policies.js';
import { showVersion } from '../../adapters/postgres/version-queries.js';
import type { ObjectRef } from '../../contracts/artifacts.js';
import { defineImportedModel } from '../../contracts/define-model.js';
import { workflowIds } from '../../contracts/ids.js';
import type { ImportedModel } from '../../contracts/imported-model.js';
import { lifecycleStart } from '../../contracts/lifecycle-start.js';
import { retrainUpdate } from '../../contracts/lifecycle.js';
import { progressQuery, type RunResult } from '../../contracts/retrain.js';
import { tensorsDefinition } from '../support/imported-definitions.js';
import { until } from '../workflows/waiting.js';
import { Stack } from './stack.js';

const model = 'weighed-sum';
/** The fixtures answer a + 10 b, the second one 1000 more; nobody's labels judge them. */
const definition = defineImportedModel({
  ...tensorsDefinition,
  name: model,
  task: 'regression',
  gates: [{ kind: 'latency', maxP95Ms: 1_000 }],
  serving: { ...tensorsDefinition.serving, output: { name: 'prediction' } },
  rollout: { ...tensorsDefinition.rollout, plan: 'blue-green' },
});

const asked = { inputs: [{ name: 'features', datatype: 'FP32', shape: [2, 2], data: [1, 2, 3, 4] }] };
const answering = (data: number[]) => ({ outputs: [{ name: 'prediction', datatype: 'FP32', shape: [2, 1], data }] });

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.open();
  await stack.startAll();
  const { db } = stack.database;
  await publishDefinitions(db, { definitions: [definition], by: 'e2e', reason: 'a test' });
  await editPolicy(db, { change: { approvers: ['ann'] }, by: 'e2e', reason: 'ann decides' });
});
afterAll(async () => {
  await stack?.close();
});

const stored = (value: unknown): Promise<ObjectRef> => stack.objects.put(Buffer.from(JSON.stringify(value)), 'application/json');

async function bring(fixture: string, expected: unknown, more: Partial<ImportedModel> = {}): Promise<string> {
  const bytes = await readFile(new URL(`../gateway/fixtures/${fixture}.onnx`, import.meta.url));
  const imported: ImportedModel = {
    onnx: await stack.objects.put(bytes, 'application/onnx'),
    framework: 'numpy 2.3',
    example: await stored(asked),
    expected: await stored(expected),
    ...more,
  };
  const answer = await stack.client.workflow.executeUpdateWithStart(retrainUpdate, {
    args: [{ by: 'e2e', reason: 'a better sum', imported }],
    startWorkflowOperation: lifecycleStart({ model, clock: { kind: 'live' } }),
  });
  if (answer.kind !== 'started') throw new Error(JSON.stringify(answer));
  return answer.workflowId;
}

/** `temporal workflow signal`, as a person types it, once the run waits for it. */
async function approve(workflowId: string, version: string): Promise<void> {
  const handle = stack.client.workflow.getHandle(workflowId);
  await until(async () => (await handle.query(progressQuery)).stage === 'approval');
  const signal = ['--workflow-id', workflowIds.model(model), '--name', 'approve'];
  const input = JSON.stringify({ version, by: 'ann', reason: 'it answers what it answered before' });
  await promisify(execFile)(stack.temporalProgram, ['workflow', 'signal', '--address', stack.temporalAddress, ...signal, '--input', input]);
}

const resultOf = (workflowId: string) => stack.client.workflow.getHandle(workflowId).result() as Promise<RunResult>;

async function predict(): Promise<{ version: string; data: number[] }> {
  const answer = await fetch(`${stack.gatewayUrl}/v2/models/${model}/infer`, { method: 'POST', body: JSON.stringify(asked) });
  const { model_version: version, outputs } = (await answer.json()) as { model_version: string; outputs: { data: number[] }[] };
  return { version, data: outputs[0]!.data };
}

test('a file from elsewhere becomes a version that a person approves, and the gateway serves it, also after a restart', async () => {
  const first = await bring('linear', answering([21, 43]));
  await approve(first, '1.0.0');
  expect(await resultOf(first)).toMatchObject({ outcome: 'promoted', version: '1.0.0' });
  expect(await predict()).toEqual({ version: '1.0.0', data: [21, 43] });

  const details = await showVersion(stack.database.db, { model, version: '1.0.0' });
  expect(details).toMatchObject({
    aliases: ['champion'],
    datasetDigest: null,
    trainedToMs: null,
    changelog: expect.stringContaining('numpy 2.3'),
  });
  expect(details.package.files.map(({ path }) => path)).toEqual([
    'card.md',
    'evaluation.json',
    'expected-output.json',
    'input-example.json',
    'manifest.json',
    'model.onnx',
    'serving.json',
  ]);

  await stack.kill9('gateway');
  await stack.start('gateway');
  expect(await predict()).toEqual({ version: '1.0.0', data: [21, 43] });
});

test('one that answers otherwise than its native model is no version; one that is right takes its turn', async () => {
  const wrong = await bring('linear-plus-1000', answering([21, 43]));
  await expect(resultOf(wrong)).rejects.toThrow();
  const { steps } = await stack.client.workflow.getHandle(wrong).query(progressQuery);
  expect(steps.at(-1)).toMatchObject({
    step: 'evaluate',
    status: 'failed',
    detail: expect.stringMatching(/answers 1021 in element 0 of "prediction", where 21 is expected/),
  });
  expect((await predict()).version).toBe('1.0.0');

  const right = await bring('linear-plus-1000', answering([1021, 1043]), { trainedToMs: Date.UTC(2026, 0, 1) });
  await approve(right, '1.0.1');
  expect(await resultOf(right)).toMatchObject({ outcome: 'promoted', version: '1.0.1' });
  expect(await predict()).toEqual({ version: '1.0.1', data: [1021, 1043] });
});
