import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { publishDefinitions } from '../../adapters/postgres/definitions.js';
import { editPolicy } from '../../adapters/postgres/policies.js';
import { auditTrail } from '../../adapters/postgres/audit-queries.js';
import { createDrivenClock } from '../../adapters/postgres/serving/clocks.js';
import { defineModel } from '../../contracts/define-model.js';
import { workflowIds } from '../../contracts/ids.js';
import { decideUpdate, retrainUpdate } from '../../contracts/lifecycle.js';
import { lifecycleStart } from '../../contracts/lifecycle-start.js';
import { progressQuery, type RunResult } from '../../contracts/retrain.js';
import { tinyDefinition } from '../workflows/fake-activities.js';
import { until } from '../workflows/waiting.js';
import { Stack } from './stack.js';
import { ofTwoNumbers } from './toy-model.js';

const model = 'small-forecast';
const dayMs = 24 * 3_600_000;
const firstMs = Date.parse('2011-01-01T00:00:00Z');

/** Trained by the real trainer on a table of its own: y = 100 + a + 10 b and a little that nothing explains. */
const definition = defineModel({
  ...tinyDefinition,
  name: model,
  ...ofTwoNumbers('small.csv', 100),
  window: { days: 40 },
  trainer: { ...tinyDefinition.trainer, hyperparameters: { objective: 'poisson', n_estimators: 60, num_leaves: 15, learning_rate: 0.2 } },
  tuning: { sampler: 'bayesian', trials: 2, parallelism: 2, objective: 'mape', space: { num_leaves: { kind: 'int', low: 7, high: 31 } } },
  metrics: [
    { kind: 'mape', name: 'mape', floor: 100 },
    { kind: 'wape', name: 'wape' },
  ],
  gates: [{ kind: 'maximum', metric: 'mape', limit: 0.15, minRows: 50 }],
});

function table(): string {
  const rows = Array.from({ length: 60 * 24 }, (_, hour) => {
    const a = (hour * 37) % 50;
    const b = (hour * 13) % 11;
    return [
      new Date(firstMs + hour * 3_600_000).toISOString().slice(0, 19).replace('T', ' '),
      a,
      b,
      100 + a + 10 * b + ((hour * 7) % 5),
    ].join(',');
  });
  return `hour,a,b,y\n${rows.join('\n')}\n`;
}

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.open();
  mkdirSync(join(stack.home, 'data'));
  writeFileSync(join(stack.home, 'data', 'small.csv'), table());
  await stack.startAll();
  const { db } = stack.database;
  await publishDefinitions(db, { definitions: [definition], by: 'e2e', reason: 'a test' });
  await editPolicy(db, { change: { approvers: ['ann'] }, by: 'e2e', reason: 'ann decides' });
  await createDrivenClock(db, { name: model, nowMs: firstMs + 50 * dayMs });
});
afterAll(async () => {
  await stack?.close();
});

async function train(asOf: number) {
  const answer = await stack.client.workflow.executeUpdateWithStart(retrainUpdate, {
    args: [{ by: 'e2e', reason: 'a test', asOf }],
    startWorkflowOperation: lifecycleStart({ model, clock: { kind: 'driven', name: model } }),
  });
  if (answer.kind !== 'started') throw new Error(JSON.stringify(answer));
  return answer.workflowId;
}

/** `temporal workflow signal`, as a person types it. */
async function signal(name: string, input: object): Promise<void> {
  await promisify(execFile)(stack.temporalProgram, [
    'workflow',
    'signal',
    '--address',
    stack.temporalAddress,
    '--workflow-id',
    workflowIds.model(model),
    '--name',
    name,
    '--input',
    JSON.stringify(input),
  ]);
}

test('a run on real data waits for its approval through a restart of the Temporal server, and is approved by `temporal workflow signal`', async () => {
  const first = (await stack.client.workflow.getHandle(await train(firstMs + 45 * dayMs)).result()) as RunResult;
  expect(first, first.reason).toMatchObject({ outcome: 'promoted', version: '1.0.0' });

  const workflowId = await train(firstMs + 50 * dayMs);
  const stage = async () => (await stack.client.workflow.getHandle(workflowId).query(progressQuery)).stage;
  await until(async () => (await stage()) === 'approval');

  await stack.restartTemporal();
  await until(async () => (await stage()) === 'approval');

  // The wrong person and the wrong version are refused, with the reason in the audit.
  await signal('approve', { version: '1.0.1', by: 'mallory', reason: 'trust me' });
  const wrong = await stack.client.workflow.getHandle(workflowIds.model(model)).executeUpdate(decideUpdate, {
    args: [{ version: '9.9.9', decision: 'approve', by: 'ann', reason: 'which one?' }],
  });
  expect(wrong).toMatchObject({ kind: 'refused', reason: expect.stringContaining('9.9.9') });
  await until(async () =>
    (await auditTrail(stack.database.db, { model })).some((entry) => entry.by === 'mallory' && entry.outcome === 'refused'),
  );
  expect(await stage()).toBe('approval');

  await signal('approve', { version: '1.0.1', by: 'ann', reason: 'figures are fine' });
  await until(async () => (await stage()) === 'rollout');
  const second = await stack.client.workflow.getHandle(workflowIds.model(model)).executeUpdate(decideUpdate, {
    args: [{ version: '1.0.1', decision: 'reject', by: 'ann', reason: 'on second thought' }],
  });
  expect(second).toMatchObject({ kind: 'refused' });
});
