import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Agent } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readRoute } from '../../adapters/postgres/serving/route-state.js';
import { workflowIds } from '../../contracts/ids.js';
import { promoteVersionUpdate, rollbackUpdate } from '../../contracts/lifecycle.js';
import { lifecycleStart } from '../../contracts/lifecycle-start.js';
import type { RolloutResult } from '../../contracts/rollout.js';
import { Stack } from './stack.js';
import { publishToy, seedVersion } from './toy-model.js';

const model = 'toy-away';
type GatewayPart = 'gateway' | 'gateway-2';
let stack: Stack;
const urls: Record<GatewayPart, string> = { gateway: '', 'gateway-2': '' };

beforeAll(async () => {
  stack = await Stack.open();
  await Promise.all([stack.start('lifecycle'), stack.start('cpu'), startGateway('gateway'), startGateway('gateway-2')]);
});
afterAll(() => stack?.close());

/** Starts a gateway where it was before. The second has a home of its own, as on another machine; objects and keys are the same. */
async function startGateway(part: GatewayPart): Promise<void> {
  const home = join(stack.home, 'second');
  mkdirSync(home, { recursive: true });
  const apart = { PERENNIAL_HOME: home, PERENNIAL_OBJECTS: join(stack.home, 'objects'), PERENNIAL_KEYS: join(stack.home, 'keys') };
  const port = urls[part] === '' ? '0' : new URL(urls[part]).port;
  urls[part] = await stack.start(part, { PERENNIAL_GATEWAY_PORT: port, ...(part === 'gateway-2' ? apart : {}) });
}

/** What a gateway answers to a = 7, b = 2: 27 by the fixture `linear`, 1027 by the other. */
async function ask(part: GatewayPart, dispatcher?: Agent): Promise<{ status: number; version: string; value: number }> {
  const input = (name: string, datatype: string, value: number) => ({ name, datatype, shape: [1], data: [value] });
  const inputs = [input('hour', 'INT64', 3_600_000), input('a', 'FP64', 7), input('b', 'FP64', 2)];
  const options = {
    method: 'POST',
    body: JSON.stringify({ inputs }),
    ...(dispatcher === undefined ? {} : { dispatcher }),
  } as unknown as RequestInit;
  const response = await fetch(`${urls[part]}/v2/models/${model}/infer`, options);
  const body = (await response.json()) as { model_version: string; outputs?: { data: number[] }[] };
  return { status: response.status, version: body.model_version, value: body.outputs?.[0]?.data[0] ?? NaN };
}

/** The first answer that a gateway gives; until its models are there it says 503. */
async function firstAnswer(part: GatewayPart) {
  for (;;) {
    const answer = await ask(part);
    if (answer.status === 200) return answer;
    expect([503, 404]).toContain(answer.status);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const generationAt = async (part: GatewayPart): Promise<number> =>
  ((await (await fetch(`${urls[part]}/v2/models/${model}/route`)).json()) as { generation: number }).generation;
const generation = async (): Promise<number> => (await readRoute(stack.database.db, model))!.generation;

async function promote(version: string): Promise<RolloutResult> {
  const answer = await stack.client.workflow.executeUpdateWithStart(promoteVersionUpdate, {
    args: [{ version, by: 'e2e', reason: 'a test' }],
    startWorkflowOperation: lifecycleStart({ model, clock: { kind: 'driven', name: model } }),
  });
  expect(answer).toMatchObject({ accepted: true });
  for (;;) {
    try {
      return (await stack.client.workflow.getHandle(workflowIds.rollout(model, version)).result()) as RolloutResult;
    } catch (error) {
      if ((error as Error).name !== 'WorkflowNotFoundError') throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Asks a gateway without a pause; answers the versions that were answered by, in their order, and what was no answer. */
function startCalling(part: GatewayPart) {
  const dispatcher = new Agent({ connections: 2 });
  const wrong: unknown[] = [];
  const versions: string[] = [];
  let going = true;
  const done = (async () => {
    while (going) {
      try {
        const { status, version } = await ask(part, dispatcher);
        if (status !== 200) wrong.push(status);
        else if (versions.at(-1) !== version) versions.push(version);
      } catch (error) {
        wrong.push(error);
      }
    }
  })();
  return {
    wrong,
    versions,
    async stop() {
      going = false;
      await done;
      await dispatcher.close();
    },
  };
}

/** One gateway dies, the route moves while it is away, it comes back: it is to answer by the new route from its first answer on. */
async function whileAway(away: GatewayPart, { moves, from, to }: { moves: () => Promise<unknown>; from: string; to: string }) {
  const stays = away === 'gateway' ? 'gateway-2' : 'gateway';
  const before = await generation();
  const calls = startCalling(stays);
  try {
    await stack.kill9(away);
    await moves();
    const moved = await generation();
    expect(moved).toBeGreaterThan(before);
    expect(await generationAt(stays)).toBe(moved);
    await startGateway(away);
    expect(await firstAnswer(away)).toMatchObject({ version: to });
    expect(await generationAt(away)).toBe(moved);
    expect(await generation()).toBe(moved);
  } finally {
    await calls.stop();
  }
  expect(calls.wrong).toEqual([]);
  expect(calls.versions).toEqual([from, to]);
}

test('a gateway that was killed with kill -9 and missed a promotion, or a rollback, answers by the new route when it is back', async () => {
  const definition = await publishToy(stack, model, { maxP95Ms: 10_000, plan: 'direct' });
  const first = await seedVersion(stack, definition, 'linear');
  expect(await promote(first)).toMatchObject({ outcome: 'promoted' });
  for (const part of ['gateway', 'gateway-2'] as const) expect(await firstAnswer(part)).toEqual({ status: 200, version: first, value: 27 });

  const second = await seedVersion(stack, definition, 'linear-plus-1000');
  await whileAway('gateway-2', {
    moves: async () => expect(await promote(second)).toMatchObject({ outcome: 'promoted' }),
    from: first,
    to: second,
  });
  expect(await ask('gateway-2')).toEqual({ status: 200, version: second, value: 1027 });

  await whileAway('gateway', {
    moves: async () =>
      expect(
        await stack.client.workflow
          .getHandle(workflowIds.model(model))
          .executeUpdate(rollbackUpdate, { args: [{ by: 'ann', reason: 'odd' }] }),
      ).toMatchObject({ accepted: true }),
    from: second,
    to: first,
  });
  expect(await ask('gateway')).toEqual({ status: 200, version: first, value: 27 });
}, 300_000);
