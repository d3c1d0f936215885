import { beforeAll, describe, expect, it } from 'vitest';
import type { ServingSpec } from '../../contracts/artifacts.js';
import type { Gateway } from '../../gateway/gateway.js';
import type { InferMessage } from './support/grpc-client.js';
import { GrpcClient, typedPairs } from './support/grpc-client.js';
import { pairs, post, until } from './support/requests.js';
import { identity, openStage } from './support/stage.js';

const hour = 1_317_427_200_000;
const cache = { ttlMs: 60_000, maxEntries: 100 };
const kept: Partial<ServingSpec> = { cache };

const stage = await openStage();
let gateway: Gateway;

beforeAll(async () => {
  for (const [model, onnx, spec] of [
    ['kept', 'linear', kept],
    ['counted', 'linear', kept],
    ['everywhere', 'linear', kept],
    ['expiring', 'linear', { cache: { ttlMs: 50, maxEntries: 10 } }],
    [
      'lagged',
      'linear',
      {
        ...kept,
        features: [
          { kind: 'input', name: 'a', column: 'a' },
          { kind: 'lag', name: 'lag1', agoMs: 3_600_000 },
        ],
      },
    ],
    ['prompts', 'identity-text', { ...identity, cache: { ...cache, normalize: 'lowercase' } }],
    ['broken', 'not-a-number', kept],
  ] as [string, string, Partial<ServingSpec>][]) {
    await stage.addLive({ model, version: '1.0.0', onnx, spec });
  }
  gateway = await stage.serve([{ model: 'plain', version: '1.0.0', onnx: 'linear' }], {}, { grpcPort: 0 });
});

const ask = (model: string, pair: readonly [number, number], more: Record<string, unknown> = {}) =>
  post(`${gateway.url}/v2/models/${model}/infer`, pairs([pair], more));

describe('a model with a response cache', () => {
  it('gives an answer again under an id of its own, says so, and captures it as a prediction', async () => {
    const first = await ask('kept', [1, 2]);
    const again = await ask('kept', [1, 2]);
    const other = await ask('kept', [1, 3]);
    expect(first.body.parameters).not.toHaveProperty('cached');
    expect(again.body).toMatchObject({ outputs: [{ name: 'value', data: [21] }], parameters: { cached: true, model_version: '1.0.0' } });
    expect(other.body.parameters).not.toHaveProperty('cached');
    expect(again.body.id).not.toBe(first.body.id);
    await post(`${gateway.url}/v2/captures/flush`, {});
    const stored = stage.registry.stored.filter(({ model }) => model === 'kept');
    expect(stored.map(({ id, predicted, cached }) => ({ id, predicted, cached }))).toEqual([
      { id: first.body.id, predicted: 21, cached: false },
      { id: again.body.id, predicted: 21, cached: true },
      { id: other.body.id, predicted: 31, cached: false },
    ]);
  });

  it('counts hits and misses, and tells what the cache holds', async () => {
    for (let i = 0; i < 5; i++) await ask('counted', [7, 7]);
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    const labels = (line: string): boolean => line.includes('counted');
    const hits = metrics.split('\n').filter((line) => /cache_hit/.test(line) && !line.startsWith('#') && labels(line));
    const misses = metrics.split('\n').filter((line) => /cache_miss/.test(line) && !line.startsWith('#') && labels(line));
    expect(hits.some((line) => line.endsWith(' 4'))).toBe(true);
    expect(misses.some((line) => line.endsWith(' 1'))).toBe(true);
    expect(Number(/^gateway_cache_entries (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
    expect(Number(/^gateway_cache_bytes (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
  });

  it('says so in every protocol', async () => {
    await ask('everywhere', [1, 2]);
    const byHeader = await post(`${gateway.url}/endpoints/everywhere/invocations`, { instances: [{ hour, a: 1, b: 2 }] });
    expect(byHeader.headers.get('x-perennial-cached')).toBe('true');
    const v1 = await post(`${gateway.url}/v1/models/everywhere:predict`, { instances: [{ hour, a: 1, b: 2 }] });
    expect(v1.headers.get('x-perennial-cached')).toBe('true');
    const client = new GrpcClient(gateway.grpcAddress);
    const answer = await client.call<InferMessage>('ModelInfer', { ...typedPairs([[1, 2]]), model_name: 'everywhere' });
    expect(answer.parameters['cached']).toMatchObject({ bool_param: true });
    expect(v1.headers.get('x-perennial-prediction-ids')).not.toBe(byHeader.headers.get('x-perennial-prediction-ids'));
  });

  it('asks the model again when the time of an answer is over', async () => {
    await ask('expiring', [1, 2]);
    await until(async () => !('cached' in (await ask('expiring', [1, 2])).body.parameters));
  });

  it('answers anew when an outcome has changed what the features see', async () => {
    stage.registry.addOutcomes('lagged', [{ timeMs: hour - 3_600_000, value: 5 }]);
    await until(async () => (await ask('lagged', [1, 0])).status === 200);
    expect((await ask('lagged', [1, 0])).body).toMatchObject({ outputs: [{ data: [51] }], parameters: { cached: true } });
    stage.registry.addOutcomes('lagged', [{ timeMs: hour - 3_600_000, value: 9 }]);
    await until(async () => (await ask('lagged', [1, 0])).body.outputs[0]!.data[0] === 91);
  });

  it('takes texts for equal as the definition says', async () => {
    const prompt = (text: string) =>
      post(`${gateway.url}/v2/models/prompts/infer`, { inputs: [{ name: 'x', datatype: 'BYTES', shape: [1, 1], data: [text] }] });
    expect((await prompt('What is it?')).body.outputs[0]!.data).toEqual(['What is it?']);
    expect((await prompt('  WHAT is it? ')).body).toMatchObject({ outputs: [{ data: ['What is it?'] }], parameters: { cached: true } });
    expect((await prompt('What is that?')).body.parameters).not.toHaveProperty('cached');
  });

  it('keeps no failure', async () => {
    expect((await ask('broken', [-5, 0])).status).toBe(500);
    expect((await ask('broken', [-5, 0])).status).toBe(500);
    expect((await ask('broken', [0, 0])).status).toBe(200);
  });

  it('lets the shadow answer for itself', async () => {
    const shaded = await openStage();
    const served = await shaded.serve(
      [
        { model: 'shaded', version: '1.0.0', onnx: 'linear', spec: kept },
        { model: 'shaded', version: '1.0.1', onnx: 'linear-plus-1000', spec: kept },
      ],
      { shadow: '1.0.1' },
      { shadowLimitMs: 60_000 },
    );
    for (let i = 0; i < 3; i++) await post(`${served.url}/v2/models/shaded/infer`, pairs([[1, 2]]));
    await until(() => shaded.registry.stored.length === 6);
    const cached = shaded.registry.stored.map(({ shadow, cached: isCached }) => `${shadow} ${isCached}`).sort();
    expect(cached).toEqual(['false false', 'false true', 'false true', 'true false', 'true false', 'true false']);
  });
});

it('a model without a response cache is asked each time', async () => {
  await ask('plain', [1, 2]);
  expect((await ask('plain', [1, 2])).body.parameters).not.toHaveProperty('cached');
});
