import { beforeAll, describe, expect, it } from 'vitest';
import type { FeatureRow, OnlineFeatures } from '../../activities/ports.js';
import { servingSpecOf } from '../../activities/evaluation/package-model.js';
import { definitionDigest, parseDefinition } from '../../contracts/define-model.js';
import { PerennialError } from '../../domain/errors.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import type { EntityOptions } from '../../domain/serving-options.js';
import type { Gateway } from '../../gateway/gateway.js';
import demandForecast from '../../models/demand-forecast.js';
import { get, post, until } from './support/requests.js';
import { openStage } from './support/stage.js';

/** An online feature store in this process: rows by entity, each as old as its writing. */
class MemoryFeatures implements OnlineFeatures {
  readonly #rows = new Map<string, { values: FeatureRow['values']; atMs: number }>();
  readonly asked: Parameters<OnlineFeatures['lookup']>[0][] = [];
  state: 'here' | 'away' | 'silent' = 'here';

  put(entity: Record<string, string | number>, values: FeatureRow['values'], atMs = Date.now()): void {
    this.#rows.set(JSON.stringify(entity), { values, atMs });
  }

  async lookup(asked: Parameters<OnlineFeatures['lookup']>[0]): Promise<(FeatureRow | null)[]> {
    this.asked.push(asked);
    if (this.state === 'away') throw new PerennialError('Unavailable', 'the connection was refused');
    if (this.state === 'silent') await new Promise(() => undefined);
    return asked.entities.map((entity) => {
      const row = this.#rows.get(JSON.stringify(entity));
      return row === undefined ? null : { values: row.values, ageMs: Date.now() - row.atMs };
    });
  }
}

const entities: EntityOptions = {
  key: [
    { name: 'customer', datatype: 'INT64' },
    { name: 'city', datatype: 'BYTES' },
  ],
  features: ['a', 'b'],
  ttlMs: 60_000,
};
const stage = await openStage();
const store = new MemoryFeatures();
let gateway: Gateway;

beforeAll(async () => {
  const add = async (model: string, more: Partial<EntityOptions>, onnx = 'linear') => {
    await stage.addLive({ model, version: '1.0.0', onnx, spec: { entities: { ...entities, ...more } } });
  };
  await add('demand', {});
  await add('uncached', { ttlMs: 0 });
  await add('fresh', { ttlMs: 0, maxAgeMs: 60_000 });
  await add('short', { ttlMs: 1 });
  await stage.addLive({ model: 'plain', version: '1.0.0', onnx: 'linear' });
  gateway = await stage.start({ featureLimitMs: 100 }, { onlineFeatures: store });
  store.put({ customer: 7, city: 'Kyoto' }, { a: 1, b: 2 });
  store.put({ customer: 8, city: 'Oslo' }, { a: 3, b: 4 });
  store.put({ customer: 9, city: 'Lima' }, { a: 3, b: null });
  store.put({ customer: 10, city: 'Rome' }, { a: 1, b: 2 }, Date.now() - 120_000);
});

type Row = readonly [customer: number, city: string];
function by(rows: readonly Row[], more: readonly object[] = []): object {
  const n = rows.length;
  return {
    inputs: [
      { name: 'hour', datatype: 'INT64', shape: [n], data: rows.map(() => 0) },
      { name: 'customer', datatype: 'INT64', shape: [n], data: rows.map(([customer]) => customer) },
      { name: 'city', datatype: 'BYTES', shape: [n], data: rows.map(([, city]) => city) },
      ...more,
    ],
  };
}
const infer = (body: unknown, model = 'demand', at = gateway) => post(`${at.url}/v2/models/${model}/infer`, body);
const kyoto: Row = [7, 'Kyoto'];
const oslo: Row = [8, 'Oslo'];

async function figure(name: string): Promise<number> {
  const { body } = await get<string>(`${gateway.url}/metrics`);
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(body)![1]);
}

describe('a request that names entities', () => {
  it('is answered with the features that the store has, row by row, and captured with them', async () => {
    const { status, body } = await infer(by([kyoto, oslo, kyoto]));
    expect([status, body.outputs[0]!.data]).toEqual([200, [21, 43, 21]]);
    const ids = body.parameters.prediction_ids.split(',');
    await until(() => ids.every((id) => stage.registry.stored.some((capture) => capture.id === id)));
    expect(ids.map((id) => stage.registry.stored.find((capture) => capture.id === id)!.inputs)).toEqual([
      { hour: 0, a: 1, b: 2 },
      { hour: 0, a: 3, b: 4 },
      { hour: 0, a: 1, b: 2 },
    ]);
  });

  it('asks the store only for what is missing, and what the caller gives goes first', async () => {
    const before = store.asked.length;
    const some = await infer(by([kyoto], [{ name: 'b', datatype: 'FP64', shape: [1], data: [100] }]), 'uncached');
    expect(some.body.outputs[0]!.data).toEqual([1001]);
    expect(store.asked.slice(before)).toEqual([
      { model: 'uncached', version: '1.0.0', names: ['a'], entities: [{ customer: 7, city: 'Kyoto' }] },
    ]);
    const all = [
      { name: 'a', datatype: 'FP64', shape: [1], data: [5] },
      { name: 'b', datatype: 'FP64', shape: [1], data: [6] },
    ];
    expect((await infer(by([kyoto], all), 'uncached')).body.outputs[0]!.data).toEqual([65]);
    expect(store.asked.length).toBe(before + 1);
  });

  it('keeps what it looked up until its time is over, and counts hits and misses', async () => {
    await infer(by([kyoto, oslo]));
    const [hits, misses, asked] = [
      await figure('gateway_feature_cache_hits_total'),
      await figure('gateway_feature_cache_misses_total'),
      store.asked.length,
    ];
    await infer(by([kyoto, oslo]));
    expect(store.asked.length).toBe(asked);
    expect(await figure('gateway_feature_cache_hits_total')).toBe(hits + 2);
    expect(await figure('gateway_feature_cache_misses_total')).toBe(misses);
    for (let i = 0; i < 2; i++) {
      await infer(by([kyoto]), 'short');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(store.asked.slice(asked).map(({ model }) => model)).toEqual(['short', 'short']);
    expect(await figure('gateway_feature_cache_misses_total')).toBe(misses + 2);
  });

  it('is refused by name when an entity is not known, lacks a value, or is too old', async () => {
    expect(await infer(by([kyoto, [99, 'Nowhere']]))).toMatchObject({
      status: 400,
      body: { error: 'row 1: entity customer=99, city="Nowhere" is not known to the online feature store' },
    });
    expect(await infer(by([[9, 'Lima']]))).toMatchObject({
      status: 400,
      body: { error: 'row 0: entity customer=9, city="Lima" has no "b" in the online feature store' },
    });
    expect((await infer(by([kyoto]), 'fresh')).status).toBe(200);
    expect(await infer(by([[10, 'Rome']]), 'fresh')).toMatchObject({
      status: 503,
      body: { error: expect.stringContaining('at most 60000') as string },
    });
    expect((await infer(by([[10, 'Rome']]))).status).toBe(200);
    expect(await infer({ inputs: (by([kyoto]) as { inputs: object[] }).inputs.slice(0, 2) })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('"city"') as string },
    });
    expect((await infer(by([kyoto]), 'plain')).status).toBe(400);
  });

  it('is answered 503 while the store is away or silent, but for what is kept', async () => {
    const failures = await figure('gateway_feature_failures_total');
    for (const state of ['away', 'silent'] as const) {
      store.state = state;
      expect(await infer(by([kyoto]), 'uncached')).toMatchObject({
        status: 503,
        body: { error: expect.stringContaining('is away') as string },
      });
      expect((await infer(by([kyoto]))).status).toBe(200);
    }
    store.state = 'here';
    expect((await infer(by([kyoto]), 'uncached')).status).toBe(200);
    expect(await figure('gateway_feature_failures_total')).toBe(failures + 2);
  });

  it('is told that there is no store where none is configured', async () => {
    const without = await stage.start();
    expect(await infer(by([kyoto]), 'demand', without)).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('no online feature store is configured') as string },
    });
  });

  it('is answered row by row in a stream too', async () => {
    const answer = await fetch(`${gateway.url}/v2/models/demand/infer_stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(by([kyoto, oslo])),
    });
    const text = await answer.text();
    expect([...text.matchAll(/"data":\[(\d+)\]/g)].map((found) => Number(found[1]))).toEqual([21, 43]);
  });
});

describe('entities in a definition', () => {
  const [first, second] = demandForecast.serving.request.map(({ name }) => name).filter((name) => name !== demandForecast.eventTime);
  const options = { key: [{ name: 'station', datatype: 'BYTES' }], features: [first!, second!], ttlMs: 1_000 } as const;
  const withEntities = (more: Partial<EntityOptions>): TrainedDefinition => ({
    ...demandForecast,
    serving: { ...demandForecast.serving, entities: { ...options, ...more } },
  });
  const faults = (definition: TrainedDefinition): string[] => {
    try {
      parseDefinition(definition);
    } catch (error) {
      return ((error as PerennialError).details['faults'] as { path: string }[]).map(({ path }) => path);
    }
    return [];
  };

  it('are carried in serving.json, and are not there when left out', () => {
    const definition = parseDefinition(withEntities({}));
    expect(servingSpecOf(definition, { input: 'features', output: 'prediction' }).entities).toEqual(options);
    expect(servingSpecOf(demandForecast, { input: 'features', output: 'prediction' })).not.toHaveProperty('entities');
    expect(definitionDigest(definition)).not.toBe(definitionDigest(demandForecast));
  });

  it('name fields of the request, and no column twice', () => {
    expect(faults(withEntities({ features: ['unknown'] }))).toEqual(['serving.entities.features[0]']);
    expect(faults(withEntities({ features: [first!, first!] }))).toEqual(['serving.entities.features[1]']);
    expect(faults(withEntities({ key: [{ name: first!, datatype: 'BYTES' }] }))).toContain('serving.entities.key[0].name');
    expect(faults(withEntities({ ttlMs: -1 }))).toEqual(['serving.entities.ttlMs']);
  });
});
