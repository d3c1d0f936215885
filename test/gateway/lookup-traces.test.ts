import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FeatureRow, OnlineFeatures } from '../../activities/ports.js';
import { openTracer, type OpenTracer } from '../../workers/telemetry.js';
import { GrpcClient } from './support/grpc-client.js';
import { post } from './support/requests.js';
import { openStage } from './support/stage.js';
import { type CollectedSpan, TraceCollector } from './support/trace-collector.js';

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const featureLimitMs = 100;
const stage = await openStage();

/** Knows customers below 100: at once, only when it is let, never, or not at all. */
class Store implements OnlineFeatures {
  state: 'here' | 'slow' | 'silent' | 'away' | 'short' = 'here';
  /** How long its slow answer took. */
  tookMs = 0;

  async lookup({ entities }: Parameters<OnlineFeatures['lookup']>[0]): Promise<(FeatureRow | null)[]> {
    if (this.state === 'away') throw new Error('the connection was refused');
    if (this.state === 'silent') await new Promise(() => undefined);
    const beganMs = performance.now();
    if (this.state === 'slow') await new Promise((resolve) => setTimeout(resolve, 50));
    this.tookMs = performance.now() - beganMs;
    const rows = entities.map(({ customer }) => (Number(customer) < 100 ? { values: { a: Number(customer), b: 2 }, ageMs: 0 } : null));
    return this.state === 'short' ? rows.slice(1) : rows;
  }
}

describe('the look-up of features in a trace', () => {
  let store: Store;
  let collector: TraceCollector;
  let traces: OpenTracer;

  beforeAll(() =>
    stage.addLive({
      model: 'demand',
      version: '1.0.0',
      onnx: 'linear',
      spec: { entities: { key: [{ name: 'customer', datatype: 'INT64' }], features: ['a', 'b'], ttlMs: 60_000 } },
    }),
  );
  beforeEach(async () => {
    store = new Store();
    collector = await new TraceCollector().open();
    traces = openTracer({ service: 'perennial-gateway', otlpEndpoint: collector.url })!;
  });
  afterEach(() => traces.close());

  const serve = () => stage.start({ featureLimitMs, grpcPort: 0 }, { onlineFeatures: store, tracing: { tracer: traces.tracer, ratio: 0 } });
  const inputs = (customers: readonly number[]) => [
    { name: 'hour', datatype: 'INT64', shape: [customers.length], data: customers.map(() => 0) },
    { name: 'customer', datatype: 'INT64', shape: [customers.length], data: customers },
  ];
  const infer = async (url: string, customers: readonly number[]) =>
    (await post(`${url}/v2/models/demand/infer`, { inputs: inputs(customers) }, { traceparent })).status;
  /** Spans of the requests in their order: of the prediction, of its features, and of their look-up. */
  async function told(): Promise<{ prediction: CollectedSpan; features: CollectedSpan; lookup: CollectedSpan }[]> {
    await traces.close();
    const only = (parent: CollectedSpan, name: string): CollectedSpan => {
      const found = collector.childrenOf(parent).filter((span) => span.name === name);
      expect(found, name).toHaveLength(1);
      return found[0]!;
    };
    const predictions = collector.spans.filter(({ name }) => name === 'predict');
    predictions.sort((one, other) => Number(one.startNs - other.startNs));
    return predictions.map((prediction) => {
      const features = only(prediction, 'features');
      return { prediction, features, lookup: only(features, 'lookup') };
    });
  }
  const found = (hits: number, misses: number) => ({ 'perennial.lookup.hits': hits, 'perennial.lookup.misses': misses });

  it('tells what was kept and what was asked for', async () => {
    const { url } = await serve();
    for (const customers of [[1, 2], [2, 3, 1], [3]]) expect(await infer(url, customers)).toBe(200);
    const spans = await told();
    expect(spans.map(({ lookup }) => [lookup.attributes, lookup.isError])).toEqual([
      [found(0, 2), false],
      [found(2, 1), false],
      [found(1, 0), false],
    ]);
    for (const { prediction, features, lookup } of spans) {
      expect([prediction.isError, features.isError]).toEqual([false, false]);
      expect(lookup.startNs).toBeGreaterThanOrEqual(features.startNs);
      expect(lookup.endNs).toBeLessThanOrEqual(features.endNs);
    }
  });

  it('shows a store that is slow: its time is in the look-up', async () => {
    const { url } = await serve();
    store.state = 'slow';
    expect(await infer(url, [1])).toBe(200);
    const { lookup, features } = (await told())[0]!;
    const msOf = ({ startNs, endNs }: CollectedSpan): number => Number(endNs - startNs) / 1e6;
    // The store's own time, by the same clock; spans are told in whole nanoseconds.
    expect(store.tookMs).toBeGreaterThan(0);
    expect(msOf(lookup)).toBeGreaterThanOrEqual(store.tookMs - 0.001);
    expect(msOf(features)).toBeGreaterThanOrEqual(msOf(lookup) - 0.001);
    expect([lookup.isError, features.isError]).toEqual([false, false]);
  });

  it.each(['away', 'silent', 'short'] as const)('shows a store that is %s as what failed, over REST and gRPC', async (state) => {
    const { url, grpcAddress } = await serve();
    store.state = state;
    expect(await infer(url, [1, 2])).toBe(503);
    const client = new GrpcClient(grpcAddress);
    const typed = inputs([1, 2]).map(({ data, ...input }) => ({ ...input, contents: { int64_contents: data } }));
    await expect(client.call('ModelInfer', { model_name: 'demand', inputs: typed }, { metadata: { traceparent } })).rejects.toThrow(
      'UNAVAILABLE',
    );
    const spans = await told();
    expect(spans).toHaveLength(2);
    for (const { prediction, features, lookup } of spans) {
      expect(lookup).toMatchObject({ isError: true, attributes: found(0, 2) });
      expect(features.isError).toBe(true);
      expect(prediction).toMatchObject({ isError: true, attributes: { 'error.type': 'notReady' } });
      expect(collector.childrenOf(prediction).map(({ name }) => name)).toEqual(['features']);
      expect(lookup.endNs).toBeLessThanOrEqual(features.endNs);
    }
  });

  it('does not call an entity that nobody knows a failure of the store', async () => {
    const { url } = await serve();
    expect(await infer(url, [1, 100])).toBe(400);
    const { prediction, features, lookup } = (await told())[0]!;
    expect(lookup).toMatchObject({ isError: false, attributes: found(0, 2) });
    expect(features.isError).toBe(true);
    expect(prediction.attributes['error.type']).toBe('invalidRequest');
  });
});
