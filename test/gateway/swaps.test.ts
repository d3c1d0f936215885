import { describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { held } from './support/held.js';
import { get, pairs } from './support/requests.js';
import { openStage } from './support/stage.js';
import { Agent, request } from 'undici';

const swaps = 1_000;
const callers = 8;
const mebibyte = 1024 * 1024;

/** What each version adds to a + 10 b. */
const adds: Readonly<Record<string, number>> = { '1.0.0': 0, '1.0.1': 1000, '1.0.2': 3000 };

type Answer = { readonly model_version: string; readonly outputs: readonly { readonly data: readonly number[] }[] };

/** Asks without a pause on connections of its own until `stop`. Keeps what was wrong, and how many were asked of each version. */
function pressure(gateway: Gateway) {
  const agent = new Agent({ connections: callers });
  const wrong: unknown[] = [];
  const answered: Record<string, number> = {};
  let running = true;
  const ask = async (n: number): Promise<void> => {
    // Some requests have many rows, so that batches of several requests and several versions' rows could mix.
    const rows = Array.from({ length: 1 + (n % 4) }, (_, i) => [(n + i) % 500, n % 7] as const);
    const response = await request(`${gateway.url}/v2/models/demand/infer`, {
      method: 'POST',
      body: JSON.stringify(pairs(rows)),
      headers: { 'content-type': 'application/json' },
      dispatcher: agent,
    });
    const body = (await response.body.json()) as Answer;
    if (response.statusCode !== 200) return void wrong.push([response.statusCode, body]);
    const expected = rows.map(([a, b]) => a + 10 * b + adds[body.model_version]!);
    if (JSON.stringify(body.outputs[0]!.data) !== JSON.stringify(expected)) wrong.push([body, expected]);
    answered[body.model_version] = (answered[body.model_version] ?? 0) + 1;
  };
  const done = Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let n = caller; running; n += callers) await ask(n).catch((error: unknown) => wrong.push(error));
    }),
  );
  return {
    wrong,
    answered,
    async stop() {
      running = false;
      await done;
      await agent.close();
    },
  };
}

describe('1,000 swaps of the route under load', () => {
  it('cost no request, mix no answer, and leave memory, files and threads as they were', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([
      { model: 'demand', version: '1.0.0', onnx: 'linear' },
      { model: 'demand', version: '1.0.1', onnx: 'linear-plus-1000' },
      { model: 'demand', version: '1.0.2', onnx: 'slow' },
    ]);
    const load = pressure(gateway);
    const swap = async (n: number): Promise<void> => {
      // Mostly between two that run in place; each 50th through one that runs in a thread, and each third as a canary.
      const version = n % 50 === 0 ? '1.0.2' : n % 2 === 0 ? '1.0.0' : '1.0.1';
      const other = version === '1.0.0' ? '1.0.1' : '1.0.0';
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
    for (const version of Object.keys(adds)) expect(load.answered[version]).toBeGreaterThan(0);
    // A model that was never released would be some 800 sessions by now, and 16 threads.
    expect(after.rss - before.rss).toBeLessThan(40 * mebibyte);
    expect(after.heap - before.heap).toBeLessThan(8 * mebibyte);
    expect(after.external - before.external).toBeLessThan(8 * mebibyte);
    expect(Math.abs(after.files - before.files)).toBeLessThanOrEqual(10);
    expect(Math.abs(after.threads - before.threads)).toBeLessThanOrEqual(2);
    expect(Math.abs(after.resources - before.resources)).toBeLessThanOrEqual(20);
    const { body } = await get<{ loaded: unknown[] }>(`${gateway.url}/v2/models/demand/route`);
    expect(body.loaded.length).toBeLessThanOrEqual(2);
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
    const load = pressure(gateway);
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
