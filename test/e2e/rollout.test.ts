import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { championAt } from '../../adapters/postgres/model-uri.js';
import { newestRollout } from '../../adapters/postgres/serving/rollout-queries.js';
import { readRoute } from '../../adapters/postgres/serving/route-state.js';
import { workflowIds } from '../../contracts/ids.js';
import { promoteVersionUpdate, rollbackUpdate } from '../../contracts/lifecycle.js';
import { lifecycleStart } from '../../contracts/lifecycle-start.js';
import type { CommandAnswer, RolloutResult } from '../../contracts/rollout.js';
import { Stack } from './stack.js';
import { publishToy, seedVersion } from './toy-model.js';
import { startTraffic, type Traffic } from './traffic.js';

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.open();
  await stack.startAll();
});
afterAll(async () => {
  await stack?.close();
});

type World = { readonly model: string; readonly challenger: string; readonly traffic: Traffic };

/** A live champion (`linear`), a challenger waiting for its rollout, and a client that never stops sending. */
async function withChallenger(model: string, fixture: string, body: (world: World) => Promise<void>): Promise<void> {
  // Only the version that answers late is judged by its latency: on a busy machine any other may be late for once.
  const definition = await publishToy(stack, model, { maxP95Ms: fixture === 'slow' ? 15 : 10_000 });
  const champion = await seedVersion(stack, definition, 'linear');
  expect(await rollOut(model, champion)).toMatchObject({ accepted: true });
  expect(await ended(model, champion)).toMatchObject({ outcome: 'promoted' });
  const challenger = await seedVersion(stack, definition, fixture);
  const traffic = startTraffic(stack, model);
  try {
    await body({ model, challenger, traffic });
  } finally {
    await traffic.stop();
  }
}

const rollOut = async (model: string, version: string): Promise<CommandAnswer> =>
  await stack.client.workflow.executeUpdateWithStart(promoteVersionUpdate, {
    args: [{ version, by: 'e2e', reason: 'a test' }],
    startWorkflowOperation: lifecycleStart({ model, clock: { kind: 'driven', name: model } }),
  });

/** The result of the version's rollout, as soon as it exists. */
async function ended(model: string, version: string): Promise<RolloutResult> {
  const handle = stack.client.workflow.getHandle(workflowIds.rollout(model, version));
  for (;;) {
    try {
      return (await handle.result()) as RolloutResult;
    } catch (error) {
      if ((error as Error).name !== 'WorkflowNotFoundError') throw error;
      await pause(50);
    }
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const shareOf = async (model: string, version: string) =>
  (await readRoute(stack.database.db, model))?.variants.find((variant) => variant.version === version)?.weight ?? 0;

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 1_200; attempt++) {
    if (await holds().catch(() => false)) return;
    await pause(50);
  }
  throw new Error(`it did not happen: ${what}`);
}

describe('a canary on live traffic', () => {
  test('of a version that is as good is promoted, and nobody notices', async () => {
    await withChallenger('as-good', 'linear', async ({ model, challenger, traffic }) => {
      await rollOut(model, challenger);
      const result = await ended(model, challenger);
      expect(result, JSON.stringify(result)).toMatchObject({ outcome: 'promoted' });
      expect(result.steps.map((step) => step.step.name)).toEqual(['canary 5%', 'canary 10%', 'canary 25%', 'canary 50%']);
      for (const step of result.steps) expect(step.pairs).toBeGreaterThanOrEqual(6);
      await until('every request goes to the new champion', async () => (await shareOf(model, challenger)) === 1);
      expect(await championAt(stack.database.db, model, Date.now())).toBe(challenger);
      expect(traffic.failures).toEqual([]);
    });
  });

  test.each([
    ['predicts badly', 'linear-plus-1000', 'quality'],
    ['fails', 'failing', 'errorRate'],
    ['answers late', 'slow', 'latency'],
  ])('of a version that %s is rolled back at its first step, and the client sees no failed request', async (_, fixture, check) => {
    await withChallenger(`bad-${fixture}`, fixture, async ({ model, challenger, traffic }) => {
      await rollOut(model, challenger);
      const result = await ended(model, challenger);
      expect(result).toMatchObject({ outcome: 'rolledBack' });
      expect(result.steps.map((step) => step.step.name)).toEqual(['canary 5%']);
      expect(result.steps[0]?.verdict.checks.filter(({ outcome }) => outcome === 'failed').map((failed) => failed.check)).toContain(check);
      expect(await shareOf(model, challenger)).toBe(0);
      const again = await rollOut(model, challenger);
      expect(again).toMatchObject({ accepted: false, reason: expect.stringContaining('investigation') });
      expect(traffic.failures).toEqual([]);
      expect(traffic.sent()).toBeGreaterThan(200);
    });
  });

  test('goes on after every worker was killed with kill -9 in its middle', async () => {
    await withChallenger('killed', 'linear', async ({ model, challenger, traffic }) => {
      await rollOut(model, challenger);
      await until('5% goes to the challenger', async () => (await shareOf(model, challenger)) === 0.05);
      await Promise.all([stack.kill9('lifecycle'), stack.kill9('cpu')]);
      const sentBefore = traffic.sent();
      await until('requests go on without workers', async () => traffic.sent() > sentBefore + 200);
      expect(await shareOf(model, challenger)).toBe(0.05);
      await Promise.all([stack.start('lifecycle'), stack.start('cpu')]);
      expect(await ended(model, challenger)).toMatchObject({ outcome: 'promoted' });
      expect(traffic.failures).toEqual([]);
    });
  });

  test('is taken back at once by a person, and so is a version that was promoted long ago', async () => {
    await withChallenger('taken-back', 'linear', async ({ model, challenger, traffic }) => {
      await rollOut(model, challenger);
      await until('5% goes to the challenger', async () => (await shareOf(model, challenger)) === 0.05);
      const lifecycle = stack.client.workflow.getHandle(workflowIds.model(model));
      const answer = await lifecycle.executeUpdate(rollbackUpdate, { args: [{ by: 'ann', reason: 'numbers look odd' }] });
      expect(answer).toMatchObject({ accepted: true });
      expect(await shareOf(model, challenger)).toBe(0);
      expect(await ended(model, challenger)).toMatchObject({ outcome: 'aborted' });
      expect((await newestRollout(stack.database.db, { model, version: challenger }))?.status).not.toBe('running');
      expect(traffic.failures).toEqual([]);
    });
  });
});

test('Postgres stopped and started under traffic fails no request', async () => {
  await withChallenger('no-postgres', 'linear', async ({ traffic }) => {
    await until('traffic flows', async () => traffic.sent() > 200);
    const before = traffic.sent();
    await stack.restartPostgres(3_000);
    await until('traffic flows on', async () => traffic.sent() > before + 400);
    expect(traffic.failures).toEqual([]);
  });
});
