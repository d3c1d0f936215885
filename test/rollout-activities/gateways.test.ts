import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { createRolloutActivities } from '../../activities/rollout.activities.js';
import { createClock } from '../../adapters/postgres/serving/clocks.js';
import { createMeasurement } from '../../adapters/postgres/serving/measurement.js';
import { createRouteSource } from '../../adapters/postgres/serving/route-source.js';
import { PerennialError } from '../../domain/errors.js';
import { addVersion, freshModel, goLive, rolloutOf, servingWorld, stateOf } from '../serving-state/world.js';
import { activityRun } from './activity-run.js';

const world = servingWorld();
const example = { inputs: [{ name: 'hour', shape: [1], datatype: 'INT64', data: [7] }] };
const good = {
  model_name: 'm',
  model_version: '1.0.1',
  id: 'x',
  outputs: [{ name: 'demand', shape: [1], datatype: 'FP64', data: [[12.5]] }],
};

const leased: string[] = [];
const servers: Server[] = [];
afterEach(async () => {
  for (const id of leased.splice(0)) await createRouteSource(world.db(), world.url()).dropLease(id);
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

async function lease(id: string, url = 'http://127.0.0.1:9'): Promise<void> {
  leased.push(id);
  await createRouteSource(world.db(), world.url()).renewLease({ id, url, ttlMs: 600_000 });
}

/** An inference server that answers what it is told to; answers where it listens and what it was asked. */
async function answering(status: number, body: string): Promise<{ url: string; asked: { path: string; body: unknown }[] }> {
  const asked: { path: string; body: unknown }[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += String(chunk)));
    request.on('end', () => {
      asked.push({ path: `${request.method} ${request.url}`, body: JSON.parse(text) });
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

async function rolledOut(
  options: {
    verify?: (input: { model: string; version: string }) => Promise<unknown>;
    routeWaitMs?: number;
    files?: { path: string; digest: string; bytes: number }[];
  } = {},
) {
  const db = world.db();
  const model = freshModel();
  await addVersion(db, { model, version: '1.0.0' });
  const files = options.files ?? [{ path: 'input-example.json', digest: 'sha256:example', bytes: 1 }];
  await addVersion(db, { model, version: '1.0.1', package: { digest: 'sha256:p', files } });
  await goLive(world.store(), { model, version: '1.0.0', champion: null });
  const input = rolloutOf({ model, version: '1.0.1', champion: '1.0.0' });
  const activities = createRolloutActivities({
    store: world.store(),
    measurement: createMeasurement(db),
    clock: createClock(db),
    routeWaitMs: options.routeWaitMs ?? 60_000,
    objects: {
      get: (digest) =>
        digest === 'sha256:example'
          ? Promise.resolve(Buffer.from(JSON.stringify(example)))
          : Promise.reject(new Error(`no object ${digest}`)),
    },
    verifyPackage: options.verify ?? (() => Promise.resolve()),
  });
  await activities.beginRollout(input);
  const step = { model, promotionId: input.promotionId, stepIndex: 0, champion: '1.0.0', challenger: '1.0.1', share: 0.05, shadow: false };
  const { generation } = await activities.applyRoute(step);
  const { run } = activityRun();
  const source = createRouteSource(db, world.url());
  return {
    model,
    input,
    activities,
    generation,
    source,
    step,
    ack: (gateway: string, at = generation, refused: string | null = null) =>
      source.acknowledge({ gateway, model, generation: at, refused }),
    awaitRoute: () => run(activities.awaitRoute, { model, generation }),
    smoke: () => run(activities.smokeTest, { model, version: '1.0.1' }),
    promotion: { model, version: '1.0.1', champion: '1.0.0', promotionId: input.promotionId, by: 'ann', reason: 'passed' },
  };
}

test('a route is followed when every gateway with a fresh lease says so', async () => {
  const rollout = await rolledOut();
  await lease('a');
  await lease('b');
  await rollout.ack('a');
  const waiting = rollout.awaitRoute();
  await setTimeout(150);
  await rollout.ack('b', rollout.generation + 1);
  expect(await waiting).toEqual({ gateways: 2 });
});

test('those that do not follow are named; nobody at all is not everybody', async () => {
  const rollout = await rolledOut({ routeWaitMs: 200 });
  await expect(rollout.awaitRoute()).rejects.toMatchObject({ type: 'Unavailable', message: expect.stringContaining('No gateway') });
  await lease('a');
  await lease('slow', 'http://127.0.0.1:4711');
  await rollout.ack('a');
  await rollout.ack('slow', rollout.generation - 1);
  await expect(rollout.awaitRoute()).rejects.toMatchObject({
    type: 'Unavailable',
    retryable: true,
    message: expect.stringMatching(/slow at http:\/\/127\.0\.0\.1:4711 \(at generation 1\)/),
  });
});

test('a gateway that refuses a generation ends the wait with its reason', async () => {
  const rollout = await rolledOut();
  await lease('a');
  await rollout.ack('a', rollout.generation, 'model.onnx is not what its digest says');
  await expect(rollout.awaitRoute()).rejects.toMatchObject({
    type: 'ArtifactRejected',
    retryable: false,
    message: expect.stringContaining('model.onnx'),
  });
});

test('a generation that was overtaken is not waited for', async () => {
  const rollout = await rolledOut();
  await lease('a');
  await rollout.activities.rollback({ model: rollout.model, by: 'bob', reason: 'stop', requestId: 'r' });
  await expect(rollout.awaitRoute()).rejects.toMatchObject({ type: 'Conflict' });
});

test('the smoke test asks that version on every gateway', async () => {
  const rollout = await rolledOut();
  const [one, two] = await Promise.all([answering(200, JSON.stringify(good)), answering(200, JSON.stringify(good))]);
  await lease('a', one.url);
  await lease('b', two.url);
  const verdict = await rollout.smoke();
  expect(verdict.outcome).toBe('pass');
  expect(verdict.checks).toHaveLength(2);
  expect(one.asked).toEqual([{ path: `POST /v2/models/${rollout.model}/versions/1.0.1/infer`, body: example }]);
  expect(two.asked).toHaveLength(1);
});

test.each([
  ['another version', 200, { ...good, model_version: '1.0.0' }, '1.0.0 answered'],
  ['no output', 200, { ...good, outputs: [] }, 'no outputs'],
  ['an empty output', 200, { ...good, outputs: [{ name: 'demand', data: [] }] }, 'is empty'],
  ['null where NaN was', 200, { ...good, outputs: [{ name: 'demand', data: [1, null] }] }, 'no finite number'],
  ['an error', 500, { error: 'out of range' }, 'status 500'],
  ['text', 200, 'hello', 'not JSON'],
])('the smoke test fails on %s', async (...[, status, body, reason]) => {
  const rollout = await rolledOut();
  const [bad, fine] = await Promise.all([
    answering(status, typeof body === 'string' ? body : JSON.stringify(body)),
    answering(200, JSON.stringify(good)),
  ]);
  await lease('bad', bad.url);
  await lease('fine', fine.url);
  const verdict = await rollout.smoke();
  expect(verdict).toMatchObject({ outcome: 'fail', reason: expect.stringContaining(reason) });
  expect(verdict.checks.map(({ outcome }) => outcome)).toEqual(['failed', 'passed']);
});

test('a gateway that is gone fails the smoke test; without gateway or example there is no verdict', async () => {
  const rollout = await rolledOut();
  await expect(rollout.smoke()).rejects.toMatchObject({ type: 'Unavailable' });
  await lease('gone');
  expect(await rollout.smoke()).toMatchObject({ outcome: 'fail', reason: expect.stringContaining('no answer') });
  const without = await rolledOut({ files: [] });
  await expect(without.smoke()).rejects.toMatchObject({ type: 'ArtifactRejected', message: expect.stringContaining('input-example.json') });
});

test('nothing is promoted whose package does not verify, and a retry after the commit asks no more', async () => {
  let verified = 0;
  let intact = false;
  const verify = ({ model, version }: { model: string; version: string }) => {
    verified += 1;
    return intact
      ? Promise.resolve()
      : Promise.reject(new PerennialError('ArtifactRejected', `${model} ${version}: model.onnx was changed`));
  };
  const rollout = await rolledOut({ verify });
  await expect(rollout.activities.promote(rollout.promotion)).rejects.toMatchObject({ type: 'ArtifactRejected' });
  expect(await stateOf(world.db(), rollout.model)).toMatchObject({ champion: '1.0.0', generation: 2 });
  intact = true;
  const first = await rollout.activities.promote(rollout.promotion);
  intact = false;
  expect(await rollout.activities.promote(rollout.promotion)).toEqual(first);
  expect(verified).toBe(2);
  expect(await stateOf(world.db(), rollout.model)).toMatchObject({ champion: '1.0.1', previous: '1.0.0' });
});
