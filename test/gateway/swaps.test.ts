import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { type CheckedLoad, checkedLoad, type Expected } from './support/checked-load.js';
import { held } from './support/held.js';
import { get } from './support/requests.js';
import { openStage, type Stage } from './support/stage.js';
import { treeModel } from './support/tree-model.js';

const swaps = 1_000;
const mebibyte = 1024 * 1024;

/** What each version adds to a + 10 b. */
const adds: Readonly<Record<string, number>> = { '1.0.0': 0, '1.0.1': 1000, '1.0.2': 3000 };
const sums: Expected = { row: (n) => [n % 500, n % 7], answer: (version, [a, b]) => a + 10 * b + adds[version]! };

type World = { readonly stage: Stage; readonly gateway: Gateway; readonly load: CheckedLoad };

type Told = { readonly loaded: readonly { readonly engine: string }[] };

/** What a model of two numbers answers to rows, by the row. */
async function byOnnxRuntime(model: Uint8Array, rows: readonly [number, number][]): Promise<Map<string, number>> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  const { prediction } = await session.run({ features: new Tensor('float32', Float32Array.from(rows.flat()), [rows.length, 2]) });
  const values = prediction!.data as Float32Array;
  const answers = new Map(rows.map((row, place) => [String(row), values[place]!]));
  await session.release();
  return answers;
}

/** Swaps a thousand times under load, each third time to a canary, and sees that nothing is left behind; ends the load. */
async function swapUnderLoad({ stage, gateway, load }: World, versionAt: (n: number) => { version: string; other: string }): Promise<void> {
  const swap = async (n: number): Promise<void> => {
    const { version, other } = versionAt(n);
    const variants =
      n % 3 === 0
        ? [
            { version, weight: 0.5 },
            { version: other, weight: 0.5 },
          ]
        : [{ version, weight: 1 }];
    const ack = await stage.registry.acknowledged(stage.registry.setRoute({ model: 'demand', variants, salt: `${n}` }));
    expect(ack.refused).toBeNull();
    stage.registry.acks.length = 0;
    stage.registry.stored.length = 0;
  };
  for (let n = 1; n <= swaps / 5; n++) await swap(n);
  const before = await held();
  for (let n = swaps / 5 + 1; n <= swaps; n++) await swap(n);
  const after = await held();
  await load.stop();
  expect(load.wrong.slice(0, 5)).toEqual([]);
  // A model that was never released would be some 800 sessions by now, and 16 threads.
  expect(after.rss - before.rss).toBeLessThan(40 * mebibyte);
  expect(after.heap - before.heap).toBeLessThan(8 * mebibyte);
  expect(after.external - before.external).toBeLessThan(8 * mebibyte);
  expect(Math.abs(after.files - before.files)).toBeLessThanOrEqual(10);
  expect(Math.abs(after.threads - before.threads)).toBeLessThanOrEqual(2);
  expect(Math.abs(after.resources - before.resources)).toBeLessThanOrEqual(20);
  const { body } = await get<{ loaded: unknown[] }>(`${gateway.url}/v2/models/demand/route`);
  expect(body.loaded.length).toBeLessThanOrEqual(2);
}

describe('1,000 swaps of the route under load', () => {
  it('cost no request, mix no answer, and leave memory, files and threads as they were', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([
      { model: 'demand', version: '1.0.0', onnx: 'linear' },
      { model: 'demand', version: '1.0.1', onnx: 'linear-plus-1000' },
      { model: 'demand', version: '1.0.2', onnx: 'slow' },
    ]);
    const load = checkedLoad(gateway, sums);
    await swapUnderLoad({ stage, gateway, load }, (n) => {
      // Mostly between two that run in place; each 50th through one that runs in a thread.
      const version = n % 50 === 0 ? '1.0.2' : n % 2 === 0 ? '1.0.0' : '1.0.1';
      return { version, other: version === '1.0.0' ? '1.0.1' : '1.0.0' };
    });
    for (const version of Object.keys(adds)) expect(load.answered[version]).toBeGreaterThan(0);
  }, 300_000);

  it('cost and leave nothing either between versions that run as compiled trees', async () => {
    const stage = await openStage();
    const models = {
      '1.0.0': treeModel({ trees: 40, leaves: 15, width: 2 }),
      '1.0.1': treeModel({ trees: 41, leaves: 15, width: 2, base: 5 }),
    };
    const onnx = Object.fromEntries(
      Object.entries(models).map(([version, model]) => {
        const file = join(stage.folder, `${version}.onnx`);
        writeFileSync(file, model);
        return [version, file];
      }),
    );
    // What ONNX Runtime answers to each row, by version: their answers have nothing in common.
    const rows = Array.from({ length: 41 }, (_, i): [number, number] => [(i - 20) / 10, ((i * 7) % 41) / 10 - 2]);
    const byVersion = new Map<string, Map<string, number>>();
    for (const [version, model] of Object.entries(models)) byVersion.set(version, await byOnnxRuntime(model, rows));
    const expected: Expected = {
      row: (n) => rows[n % rows.length]!,
      answer: (version, row) => byVersion.get(version)!.get(String(row))!,
    };
    const values = [...byVersion.values()].flatMap((answers) => [...new Set(answers.values())]);
    expect(new Set(values).size).toBe(values.length);
    expect(values.length).toBeGreaterThan(20);

    const gateway = await stage.serve(Object.entries(onnx).map(([version, file]) => ({ model: 'demand', version, onnx: file })));
    const load = checkedLoad(gateway, expected);
    const looks: Promise<{ body: Told }>[] = [];
    await swapUnderLoad({ stage, gateway, load }, (n) => {
      if (n % 50 === 0) looks.push(get<Told>(`${gateway.url}/v2/models/demand/route`));
      return n % 2 === 0 ? { version: '1.0.0', other: '1.0.1' } : { version: '1.0.1', other: '1.0.0' };
    });
    const engines = (await Promise.all(looks)).flatMap(({ body }) => body.loaded.map(({ engine }) => engine));
    expect(engines.length).toBeGreaterThan(10);
    expect(new Set(engines)).toEqual(new Set(['compiledTrees']));
    for (const version of byVersion.keys()) expect(load.answered[version]).toBeGreaterThan(0);
  }, 300_000);

  it('is caught up with after the registry was away', async () => {
    const stage = await openStage();
    const gateway = await stage.serve(
      [
        { model: 'demand', version: '1.0.0', onnx: 'linear' },
        { model: 'demand', version: '1.0.1', onnx: 'linear-plus-1000' },
      ],
      {},
      { followEveryMs: 20, idleUnloadMs: 1 },
    );
    const load = checkedLoad(gateway, sums);
    for (let n = 0; n < 10; n++) {
      stage.registry.away = true;
      let route;
      // Nobody hears of the ones in between.
      for (let i = 0; i < 5; i++)
        route = stage.registry.setRoute({ model: 'demand', variants: [{ version: (n + i) % 2 === 0 ? '1.0.1' : '1.0.0', weight: 1 }] });
      stage.registry.away = false;
      expect(await stage.registry.acknowledged(route!)).toMatchObject({ refused: null });
      expect((await get(`${gateway.url}/v2/models/demand/route`)).body).toMatchObject({ generation: route!.generation });
    }
    await load.stop();
    expect(load.wrong.slice(0, 5)).toEqual([]);
  });
});
