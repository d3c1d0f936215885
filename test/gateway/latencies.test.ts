import { beforeAll, describe, expect, it } from 'vitest';
import type { LatencyRow, LatencyStore } from '../../activities/latency-ports.js';
import type { Capture, CaptureStore } from '../../activities/ports.js';
import { createLatencyStore } from '../../adapters/postgres/serving/latency-sketches.js';
import { createMeasurement } from '../../adapters/postgres/serving/measurement.js';
import { PerennialError } from '../../domain/errors.js';
import type { Gateway } from '../../gateway/gateway.js';
import { servingWorld } from '../serving-state/world.js';
import { ask, get, pairs, post, until } from './support/requests.js';
import { openStage, type Stage } from './support/stage.js';

const world = servingWorld();
const hour = 1_317_427_200_000;

/** Captures that are seen here but reach no store: what a gateway does that samples all of them away. */
class SampledAway implements CaptureStore {
  readonly seen: Capture[] = [];
  async write(captures: readonly Capture[]): Promise<void> {
    this.seen.push(...captures);
  }
  label: CaptureStore['label'] = async () => ({ stored: 0, refused: [] });
}

/** A store that is away until it is told to come back. */
class Away implements LatencyStore {
  readonly rows = new Map<string, LatencyRow>();
  away = true;
  async write(rows: readonly LatencyRow[]): Promise<void> {
    if (this.away) throw new PerennialError('Unavailable', 'Postgres did not answer');
    for (const row of rows) this.rows.set(`${row.version} ${row.shadow} ${row.eventMinute} ${row.openedMs}`, row);
  }
}

const flush = (gateway: Gateway) => post(`${gateway.url}/v2/captures/flush`, {});
const metric = async (gateway: Gateway, name: string) =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec((await get<string>(`${gateway.url}/metrics`)).body)?.[1]);

describe('latencies', () => {
  let stage: Stage;
  const captures = new SampledAway();
  const gateways: Gateway[] = [];

  beforeAll(async () => {
    stage = await openStage();
    for (const version of ['1.0.0', '1.0.1']) await stage.addVersion({ model: 'demand', version, onnx: 'linear' });
    stage.registry.setRoute({ model: 'demand', variants: [{ version: '1.0.0', weight: 1 }], shadow: '1.0.1' });
    const { routes, outcomes } = stage.registry;
    const stores = { routes, outcomes, captures, latencies: createLatencyStore(world.db()) };
    for (let i = 0; i < 2; i++) gateways.push(await stage.start({ shadowLimitMs: 60_000 }, stores));
  });

  it('of two gateways are judged as one, exactly also when no capture was stored', async () => {
    for (let i = 0; i < 60; i++) expect((await ask(gateways[i % 2]!, 'demand')).status).toBe(200);
    const rows = Array.from({ length: 40 }, (_, row) => [row, row] as const);
    await post(`${gateways[0]!.url}/v2/models/demand/infer`, pairs(rows));
    await until(() => captures.seen.filter(({ shadow }) => shadow).length === 100);
    for (const gateway of gateways) expect((await flush(gateway)).status).toBe(200);

    const measurement = createMeasurement(world.db());
    const window = { model: 'demand', fromMs: hour, toMs: hour + 40 * 3_600_000 };
    for (const [version, shadow] of [
      ['1.0.0', false],
      ['1.0.1', true],
    ] as const) {
      const measured = await measurement.variant({ ...window, version, shadow });
      const latencies = captures.seen.filter((capture) => capture.shadow === shadow).map(({ latencyMs }) => latencyMs);
      latencies.sort((a, b) => a - b);
      expect(measured, version).toMatchObject({ requests: 100, errors: 0 });
      // Rank 0.95 * 99 + 1 lies between the 95th and the 96th of a hundred.
      expect(measured.p95Ms!).toBeGreaterThanOrEqual(latencies[94]! * 0.99);
      expect(measured.p95Ms!).toBeLessThanOrEqual(latencies[95]! * 1.011);
      expect(measured.p95LowerMs!).toBeLessThanOrEqual(latencies[94]!);
    }
    // One hour of event time alone: every request asked about the first, the batch about each of forty.
    expect(await measurement.variant({ model: 'demand', version: '1.0.0', shadow: false, fromMs: hour, toMs: hour + 1 })).toMatchObject({
      requests: 61,
    });
  });

  it('hold what a version failed at, as errors; what was refused before it reached the version is none of them', async () => {
    const store = new Away();
    store.away = false;
    const failing = await openStage();
    await failing.addVersion({ model: 'demand', version: '1.0.0', onnx: 'linear' });
    await failing.addVersion({ model: 'demand', version: '1.0.1', onnx: 'failing' });
    const variants = [
      { version: '1.0.0', weight: 0 },
      { version: '1.0.1', weight: 1 },
    ];
    failing.registry.setRoute({ model: 'demand', variants });
    const { routes, outcomes } = failing.registry;
    const gateway = await failing.start({}, { routes, outcomes, captures, latencies: store });
    expect((await post(`${gateway.url}/v2/models/demand/infer`, pairs([[5_000, 1]]))).status).toBe(400);
    for (let i = 0; i < 3; i++) expect((await ask(gateway, 'demand', [500, 0])).body.model_version).toBe('1.0.0');
    await flush(gateway);
    const counted = [...store.rows.values()].map(({ version, requests, errors }) => ({ version, requests, errors }));
    expect(counted.sort((a, b) => (a.version < b.version ? -1 : 1))).toEqual([
      { version: '1.0.0', requests: 3, errors: 0 },
      { version: '1.0.1', requests: 3, errors: 3 },
    ]);
  });

  it('are kept while the store is away, and stored once when it is back', async () => {
    const store = new Away();
    const { routes, outcomes } = stage.registry;
    const gateway = await stage.start({ latencyEveryMs: 10 }, { routes, outcomes, captures, latencies: store });
    for (let i = 0; i < 5; i++) await ask(gateway, 'demand');
    await until(async () => (await metric(gateway, 'gateway_latency_sketches_waiting')) >= 1);
    expect(await flush(gateway)).toMatchObject({ status: 503, body: { error: expect.stringContaining('latency sketches') } });
    for (let i = 0; i < 5; i++) await ask(gateway, 'demand');
    store.away = false;
    await until(() => [...store.rows.values()].some(({ shadow, requests }) => !shadow && requests === 10));
    expect((await flush(gateway)).status).toBe(200);
    const live = [...store.rows.values()].filter(({ shadow }) => !shadow);
    expect(live).toMatchObject([{ gateway: expect.any(String), eventMinute: hour / 60_000, firstMs: hour, lastMs: hour, requests: 10 }]);
    expect(live[0]!.counts.reduce((sum, count) => sum + count, 0)).toBe(10);
    expect(await metric(gateway, 'gateway_latency_sketches_waiting')).toBe(0);
    expect(await metric(gateway, 'gateway_latency_sketches_dropped_total')).toBe(0);
  });

  it('are written one turn after the other, however long the store takes', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let writes = 0;
    const slow: LatencyStore = {
      async write() {
        writes++;
        await held;
      },
    };
    const { routes, outcomes } = stage.registry;
    const gateway = await stage.start({ latencyEveryMs: 1 }, { routes, outcomes, captures, latencies: slow });
    await ask(gateway, 'demand');
    await until(() => writes === 1);
    for (let i = 0; i < 20; i++) await ask(gateway, 'demand');
    expect(writes).toBe(1);
    release();
    await until(() => writes > 1);
    expect((await flush(gateway)).status).toBe(200);
  });

  it('are given up when the store was away for so long that others of their age are merged', async () => {
    const store = new Away();
    const { routes, outcomes } = stage.registry;
    const gateway = await stage.start({ latencyLateMs: 20, latencyEveryMs: 5 }, { routes, outcomes, captures, latencies: store });
    await ask(gateway, 'demand');
    await until(async () => (await metric(gateway, 'gateway_latency_sketches_dropped_total')) >= 1);
    await until(async () => (await metric(gateway, 'gateway_latency_sketches_waiting')) === 0);
    store.away = false;
    expect((await flush(gateway)).status).toBe(200);
    expect([...store.rows.values()]).toEqual([]);
  });

  it('are stored when the gateway stops', async () => {
    const store = new Away();
    store.away = false;
    const { routes, outcomes } = stage.registry;
    const gateway = await stage.start({ latencyEveryMs: 3_600_000 }, { routes, outcomes, captures, latencies: store });
    await ask(gateway, 'demand');
    expect([...store.rows.values()]).toEqual([]);
    await gateway.stop();
    expect([...store.rows.values()].some(({ shadow, requests }) => !shadow && requests === 1)).toBe(true);
  });
});
