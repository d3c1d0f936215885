import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { linearModel } from './support/onnx-builder.js';
import { ask, get, pairs, post, until } from './support/requests.js';
import type { Stage } from './support/stage.js';
import { openStage } from './support/stage.js';

const mebibyte = 1024 * 1024;
type Entry = { readonly name: string; readonly version: string; readonly state: string; readonly reason: string };

/** States of every version in the index, by `model version`. */
async function states(gateway: Gateway): Promise<Record<string, string>> {
  const { body } = await post<Entry[]>(`${gateway.url}/v2/repository/index`, {});
  return Object.fromEntries(body.map(({ name, version, state }) => [`${name} ${version}`, state]));
}

async function metric(gateway: Gateway, name: string): Promise<number> {
  const { body } = await get<string>(`${gateway.url}/metrics`);
  return Number(new RegExp(`^${name.replaceAll(/[{}"]/g, '\\$&')} (\\S+)$`, 'm').exec(body)?.[1]);
}

/** Models of some 8 MiB each, whose answers tell them apart: model `n` adds 1000 n. */
async function heavyModels(count: number): Promise<{ stage: Stage; file(n: number): string }> {
  const stage = await openStage();
  const file = (n: number): string => join(stage.folder, `heavy-${n}.onnx`);
  for (let n = 0; n < count; n++) {
    await writeFile(file(n), linearModel(1000 * n, 8 * mebibyte));
    await stage.addLive({ model: `model-${n}`, version: '1.0.0', onnx: file(n) });
  }
  return { stage, file };
}

const budget = { memoryBudgetBytes: 30 * mebibyte, inPlaceMaxMs: 1_000 };

describe('more models than fit into memory', () => {
  it('are all answered: what is asked for is loaded, what was least used makes room', async () => {
    const { stage } = await heavyModels(6);
    const gateway = await stage.start(budget);
    expect(stage.registry.acks.map(({ refused }) => refused)).toEqual(Array.from({ length: 6 }, () => null));
    expect(Object.values(await states(gateway)).filter((state) => state === 'READY')).toHaveLength(3);
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 6; n++) {
        expect(await ask(gateway, `model-${n}`, [1, 2])).toMatchObject({ status: 200, body: { outputs: [{ data: [1000 * n + 21] }] } });
        expect(await metric(gateway, 'gateway_model_memory_bytes')).toBeLessThanOrEqual(budget.memoryBudgetBytes);
      }
    }
    // The last three asked for are there.
    expect(await states(gateway)).toMatchObject({
      'model-0 1.0.0': 'UNAVAILABLE',
      'model-3 1.0.0': 'READY',
      'model-4 1.0.0': 'READY',
      'model-5 1.0.0': 'READY',
    });
    expect(await metric(gateway, 'gateway_models_known')).toBe(6);
    expect(await metric(gateway, 'gateway_models_resident')).toBe(3);
    expect(await metric(gateway, 'gateway_model_unloads_total{why="evicted"}')).toBeGreaterThanOrEqual(12);
  });

  it('are answered without one failure when all are asked for at once', async () => {
    const { stage } = await heavyModels(6);
    const gateway = await stage.start(budget);
    const answers = await Promise.all(
      Array.from({ length: 120 }, async (_, i) => ({ n: i % 6, answer: await ask(gateway, `model-${i % 6}`, [1, 2]) })),
    );
    expect(answers.filter(({ answer }) => answer.status !== 200).map(({ answer }) => answer.body)).toEqual([]);
    for (const { n, answer } of answers) expect(answer.body.outputs[0]!.data).toEqual([1000 * n + 21]);
  });

  it('let standby and shadow go first, and live versions last', async () => {
    const { stage, file } = await heavyModels(1);
    await stage.addVersion({ model: 'model-0', version: '1.0.1', onnx: file(0) });
    await stage.addVersion({ model: 'model-0', version: '0.9.0', onnx: file(0) });
    stage.registry.setRoute({ model: 'model-0', variants: [{ version: '1.0.0', weight: 1 }], shadow: '1.0.1', standby: ['0.9.0'] });
    const gateway = await stage.start(budget);
    const three = { 'model-0 1.0.0': 'READY', 'model-0 1.0.1': 'READY', 'model-0 0.9.0': 'READY' };
    expect(await states(gateway)).toMatchObject(three);
    for (const [name, gone] of [
      ['later', { 'model-0 0.9.0': 'UNAVAILABLE' }],
      ['last', { 'model-0 0.9.0': 'UNAVAILABLE', 'model-0 1.0.1': 'UNAVAILABLE' }],
    ] as const) {
      await stage.addVersion({ model: name, version: '1.0.0', onnx: file(0) });
      await stage.registry.acknowledged(stage.registry.setRoute({ model: name, variants: [{ version: '1.0.0', weight: 1 }] }));
      expect(await states(gateway)).toMatchObject({ ...three, ...gone });
    }
    // A version that is not in memory costs no request, named or not.
    expect(await ask(gateway, 'model-0')).toMatchObject({ status: 200 });
    expect(await post(`${gateway.url}/v2/models/model-0/versions/0.9.0/infer`, pairs([[1, 2]]))).toMatchObject({
      status: 200,
      body: { model_version: '0.9.0' },
    });
  });

  it('never let go of one that answers', async () => {
    const stage = await openStage();
    const file = join(stage.folder, 'heavy.onnx');
    await writeFile(file, linearModel(0, 8 * mebibyte));
    // One runs at a time: the slow model's thread and the heavy one do not fit together.
    const gateway = await stage.serve(
      [{ model: 'slow', version: '1.0.0', onnx: 'slow' }],
      {},
      { memoryBudgetBytes: 40 * mebibyte, inPlaceMaxMs: 5 },
    );
    for (let n = 0; n < 4; n++) {
      await stage.addVersion({ model: `heavy-${n}`, version: '1.0.0', onnx: file });
      await stage.registry.acknowledged(stage.registry.setRoute({ model: `heavy-${n}`, variants: [{ version: '1.0.0', weight: 1 }] }));
    }
    const answers = Array.from({ length: 24 }, (_, i) => ask(gateway, 'slow', [i, 0]));
    const heavy = Promise.all(Array.from({ length: 12 }, (_, i) => ask(gateway, `heavy-${i % 4}`, [i, 0])));
    (await Promise.all(answers)).forEach(({ status, body }, i) => {
      expect({ status, data: body.outputs[0]!.data }).toEqual({ status: 200, data: [3000 + i] });
    });
    (await heavy).forEach(({ body }, i) => expect(body.outputs[0]!.data).toEqual([i]));
  });

  it('may exceed the budget only while a model that answers gets its next version', async () => {
    const { stage, file } = await heavyModels(1);
    const gateway = await stage.start({ ...budget, memoryBudgetBytes: 12 * mebibyte });
    expect(await ask(gateway, 'model-0')).toMatchObject({ status: 200 });
    await stage.addVersion({ model: 'model-0', version: '1.0.1', onnx: file(0) });
    const ack = await stage.registry.acknowledged(
      stage.registry.setRoute({ model: 'model-0', variants: [{ version: '1.0.1', weight: 1 }] }),
    );
    expect(ack.refused).toBeNull();
    expect(await metric(gateway, 'gateway_model_unloads_total{why="evicted"}')).toBe(0);
    expect(await ask(gateway, 'model-0')).toMatchObject({ status: 200, body: { model_version: '1.0.1' } });
    await until(async () => (await metric(gateway, 'gateway_model_memory_bytes')) <= 12 * mebibyte);
    expect(await states(gateway)).toEqual({ 'model-0 1.0.1': 'READY' });
  });

  it('serve their last good state after a start without the registry, loaded or not', async () => {
    const { stage } = await heavyModels(6);
    const first = await stage.start(budget);
    await first.stop();
    stage.registry.away = true;
    await rm(join(stage.folder, 'objects'), { recursive: true });
    const second = await stage.start(budget);
    expect(Object.keys(await states(second))).toHaveLength(6);
    for (let n = 0; n < 6; n++)
      expect(await ask(second, `model-${n}`, [1, 2])).toMatchObject({ status: 200, body: { outputs: [{ data: [1000 * n + 21] }] } });
  });
});

describe('a version that nobody asks for', () => {
  it('is released after a while, is ready to be asked, and comes back with the first request', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { idleUnloadMs: 1 });
    await until(async () => (await states(gateway))['demand 1.0.0'] === 'UNAVAILABLE');
    expect(await metric(gateway, 'gateway_models_resident')).toBe(0);
    expect(await metric(gateway, 'gateway_model_unloads_total{why="idle"}')).toBeGreaterThan(0);
    expect((await get(`${gateway.url}/v2/models/demand/ready`)).status).toBe(200);
    expect(await ask(gateway, 'demand', [1, 2])).toMatchObject({ status: 200, body: { outputs: [{ data: [21] }] } });
  });

  it('is answered 503 with Retry-After when it cannot be loaded, and 200 when it can again', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { idleUnloadMs: 1 });
    await until(async () => (await states(gateway))['demand 1.0.0'] === 'UNAVAILABLE');
    await rm(join(stage.folder, 'gateway', 'packages'), { recursive: true });
    await rename(join(stage.folder, 'objects'), join(stage.folder, 'away'));
    const refused = await ask(gateway, 'demand');
    expect(refused).toMatchObject({ status: 503, body: { error: expect.stringContaining("version '1.0.0' of 'demand' failed to load") } });
    expect(refused.headers.get('retry-after')).toBe('1');
    await rename(join(stage.folder, 'away'), join(stage.folder, 'objects'));
    await until(async () => (await ask(gateway, 'demand')).status === 200);
  });

  it('has as many requests wait for it as may, and no more', async () => {
    const stage = await openStage();
    const settings = { idleUnloadMs: 1, maxWaitingForLoad: 5 };
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'slow' }], {}, settings);
    await until(async () => (await states(gateway))['demand 1.0.0'] === 'UNAVAILABLE');
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(gateway, 'demand')));
    const refused = answers.filter(({ status }) => status === 503);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(5);
    expect(refused.length).toBeGreaterThan(0);
    for (const { body, headers } of refused) {
      expect(body.error).toContain('5 requests wait already');
      expect(headers.get('retry-after')).toBe('1');
    }
  });

  it('is waited for so long, and no longer', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'slow' }], {}, { idleUnloadMs: 1, coldWaitMs: 0 });
    await until(async () => (await states(gateway))['demand 1.0.0'] === 'UNAVAILABLE');
    const late = await ask(gateway, 'demand');
    expect(late).toMatchObject({
      status: 503,
      body: { error: expect.stringContaining("'demand' is still being loaded after 0 ms: try again") },
    });
    expect(late.headers.get('retry-after')).toBe('1');
    await until(async () => (await ask(gateway, 'demand')).status === 200);
  });

  it('costs no request as a challenger either: the champion answers when it takes too long to come', async () => {
    const stage = await openStage();
    const variants = [
      { version: '1.0.0', weight: 0.5 },
      { version: '1.0.1', weight: 0.5 },
    ];
    const versions = [
      { model: 'demand', version: '1.0.0', onnx: 'linear' },
      { model: 'demand', version: '1.0.1', onnx: 'slow' },
    ];
    const gateway = await stage.serve(versions, { variants }, { idleUnloadMs: 1, challengerLimitMs: 1 });
    await until(async () => Object.values(await states(gateway)).every((state) => state === 'UNAVAILABLE'));
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(gateway, 'demand')));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(await metric(gateway, 'gateway_fallbacks_total{model_name="demand",version="1.0.1"}')).toBeGreaterThan(0);
  });
});

describe('a large model', () => {
  it('is verified and loaded into its thread without stopping what is served', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { inPlaceLoadMaxMs: 0 });
    const file = join(stage.folder, 'large.onnx');
    await writeFile(file, linearModel(5000, 96 * mebibyte));
    await stage.addVersion({ model: 'large', version: '1.0.0', onnx: file });
    const followed = stage.registry.acknowledged(stage.registry.setRoute({ model: 'large', variants: [{ version: '1.0.0', weight: 1 }] }));
    let done = false;
    void followed.finally(() => (done = true));
    // 96 slices are hashed at least twice, so the loop turns often: requests are answered all along.
    let answered = 0;
    while (!done) {
      expect(await ask(gateway, 'demand')).toMatchObject({ status: 200 });
      answered++;
    }
    expect(await followed).toMatchObject({ refused: null });
    expect(answered).toBeGreaterThan(10);
    expect(await ask(gateway, 'large', [1, 2])).toMatchObject({ status: 200, body: { outputs: [{ data: [5021] }] } });
    const { body } = await get<{ loaded: { placement: string }[] }>(`${gateway.url}/v2/models/large/route`);
    expect(body.loaded).toMatchObject([{ placement: 'thread' }]);
  });
});
