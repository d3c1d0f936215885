import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCaptureStore } from '../../adapters/postgres/serving/capture-store.js';
import type { UpkeepResult } from '../../contracts/upkeep.js';
import { Stack } from './stack.js';
import { publishToy } from './toy-model.js';

const model = 'toy-kept';
const dayMs = 86_400_000;
let stack: Stack;

beforeAll(async () => {
  stack = await Stack.open();
});
afterAll(() => stack?.close());

test('the lifecycle worker makes the schedule of the upkeep, which removes what is past its retention', async () => {
  await publishToy(stack, model, { maxP95Ms: 10_000 });
  const { db } = stack.database;
  const capture = (id: string, days: number) => ({
    id,
    model,
    version: '1.0.0',
    shadow: false,
    generation: 1,
    key: null,
    subject: id,
    eventTimeMs: 0,
    atMs: Date.now() - days * dayMs,
    latencyMs: 5,
    predicted: 1,
    error: null,
    inputs: { a: 1 },
  });
  await createCaptureStore(db).write([capture('old', 91), capture('young', 89)]);
  await stack.start('lifecycle');
  const handle = stack.client.schedule.getHandle('upkeep');
  await handle.trigger();
  const started = async () => (await handle.describe()).info.recentActions[0]?.action.workflow.workflowId;
  while ((await started()) === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
  const result = (await stack.client.workflow.getHandle((await started())!).result()) as UpkeepResult;
  expect(result.captures).toEqual([{ model, retentionDays: 90, captures: 1, labels: 0 }]);
  expect(await db.selectFrom('captures').select('id').where('model', '=', model).execute()).toEqual([{ id: 'young' }]);
});
