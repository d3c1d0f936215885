import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { workflowIds } from '../../contracts/ids.js';
import { decideUpdate, lifecycleStatusQuery, retrainUpdate } from '../../contracts/lifecycle.js';
import { progressQuery, type RunResult } from '../../contracts/retrain.js';
import { timeSkipping } from '../support/temporal.js';
import { freshModel, startLifecycle, withWorkers } from './world.js';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await timeSkipping();
});
afterAll(async () => {
  await environment?.teardown();
});

const approve = { decision: 'approve' as const, by: 'ann', reason: 'looks good' };

test('a candidate that passes its gates is approved, rolled out and promoted', async () => {
  await withWorkers(environment, {}, async (world) => {
    const model = freshModel();
    const lifecycle = await startLifecycle(environment, { model, clock: { kind: 'live' } });
    const started = await lifecycle.executeUpdate(retrainUpdate, { args: [{ by: 'tester', reason: 'first' }] });
    expect(started.kind).toBe('started');
    if (started.kind !== 'started') return;
    const run = environment.client.workflow.getHandle(started.workflowId);
    await waitFor(async () => (await run.query(progressQuery)).stage === 'approval');
    const decided = await lifecycle.executeUpdate(decideUpdate, { args: [{ version: '1.0.1', ...approve }] });
    expect(decided).toMatchObject({ kind: 'settled', status: 'approved' });
    const result = (await run.result()) as RunResult;
    expect(result).toMatchObject({ outcome: 'promoted', version: '1.0.1' });
    expect(result.rollout?.steps.map((step) => step.step.name)).toEqual(['canary 5%', 'canary 10%', 'canary 25%', 'canary 50%']);
    expect(world.callsOf('promote')).toHaveLength(1);
    const status = await lifecycle.query(lifecycleStatusQuery);
    expect(status.state.active).toEqual([]);
    expect(status.state.rollout).toBeNull();
    expect(started.workflowId).toBe(workflowIds.retrain(model, result.run));
    await lifecycle.terminate();
  });
});

async function waitFor(holds: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await holds().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('it did not happen');
}
