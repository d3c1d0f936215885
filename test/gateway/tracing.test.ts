import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Route } from '../../activities/ports.js';
import type { LogLine } from '../../gateway/log.js';
import { AccessLog } from '../../gateway/watching/access-log.js';
import { readConfig } from '../../workers/config.js';
import { openTracer, type OpenTracer } from '../../workers/telemetry.js';
import { GrpcClient, rawPairs, refusal } from './support/grpc-client.js';
import { ask, get, pairs, post, until } from './support/requests.js';
import { openStage, type Stage } from './support/stage.js';
import { TraceCollector } from './support/trace-collector.js';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const sampled = `00-${traceId}-${parentId}-01`;
const serverKind = 2;

describe('traces', () => {
  let stage: Stage;
  let collector: TraceCollector;
  let traces: OpenTracer;

  beforeAll(async () => {
    stage = await openStage();
    for (const [version, onnx] of [
      ['1.0.0', 'linear'],
      ['1.0.1', 'failing'],
    ] as const)
      await stage.addVersion({ model: 'demand', version, onnx });
  });
  beforeEach(async () => {
    collector = await new TraceCollector().open();
    traces = openTracer({ service: 'perennial-gateway', otlpEndpoint: collector.url })!;
  });
  afterEach(() => traces.close());

  async function gatewayTraced(ratio: number, route: Partial<Route> = { variants: [{ version: '1.0.0', weight: 1 }] }) {
    stage.registry.setRoute({ model: 'demand', variants: [], ...route });
    return stage.start({}, { ...storesOf(stage), tracing: { tracer: traces.tracer, ratio } });
  }

  const infer = (url: string, headers: Record<string, string>, body: unknown = pairs([[1, 2]])) =>
    post(`${url}/v2/models/demand/infer`, body, headers);

  it("join the caller's: request, prediction, features, queue and run, each within its parent", async () => {
    const gateway = await gatewayTraced(0);
    const { status } = await infer(
      gateway.url,
      { traceparent: sampled },
      pairs([
        [1, 2],
        [3, 4],
      ]),
    );
    expect(status).toBe(200);
    await traces.close();
    expect([...collector.paths]).toEqual(['POST /v1/traces']);
    expect(collector.spans.every((span) => span.traceId === traceId && span.service === 'perennial-gateway')).toBe(true);

    const request = collector.spans.find(({ parentSpanId }) => parentSpanId === parentId)!;
    expect(request).toMatchObject({
      name: 'POST /v2/models/{model}/infer',
      kind: serverKind,
      isError: false,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/v2/models/{model}/infer',
        'http.response.status_code': 200,
        'url.path': '/v2/models/demand/infer',
        'url.scheme': 'http',
        'network.protocol.version': '1.1',
      },
    });
    const [prediction, ...others] = collector.childrenOf(request);
    expect(others).toEqual([]);
    expect(prediction).toMatchObject({
      name: 'predict',
      attributes: { 'perennial.model': 'demand', 'perennial.version': '1.0.0', 'perennial.variant': 'champion', 'perennial.rows': 2 },
    });
    const parts = collector.childrenOf(prediction!);
    expect(parts.map(({ name }) => name)).toEqual(['features', 'queue', 'run']);
    expect(parts[2]!.attributes).toEqual({ 'perennial.batch.rows': 2, 'perennial.batch.requests': 1 });
    expect(collector.spans).toHaveLength(5);
    for (const [inner, outer] of [[prediction!, request] as const, ...parts.map((part) => [part, prediction!] as const)]) {
      expect(inner.startNs, inner.name).toBeGreaterThanOrEqual(outer.startNs);
      expect(inner.endNs, inner.name).toBeLessThanOrEqual(outer.endNs);
    }
    expect(Math.abs(Number(request.startNs / 1_000_000n) - Date.now())).toBeLessThan(60_000);
  });

  it('show that a challenger failed and the champion answered instead', async () => {
    const variants = [
      { version: '1.0.0', weight: 0 },
      { version: '1.0.1', weight: 1 },
    ];
    const gateway = await gatewayTraced(0, { variants });
    const { body } = await infer(gateway.url, { traceparent: sampled }, pairs([[500, 0]]));
    expect(body.model_version).toBe('1.0.0');
    await traces.close();
    const request = collector.spans.find(({ parentSpanId }) => parentSpanId === parentId)!;
    const attempts = collector.childrenOf(request);
    expect(attempts.map(({ attributes, isError }) => [attributes['perennial.version'], attributes['error.type'], isError])).toEqual([
      ['1.0.1', 'inferenceFailed', true],
      ['1.0.0', undefined, false],
    ]);
    expect(request.isError).toBe(false);
  });

  it('are made of a share of the requests that bring none, with a trace of their own', async () => {
    const gateway = await gatewayTraced(1);
    await ask(gateway, 'demand');
    await ask(gateway, 'demand');
    await traces.close();
    const roots = collector.spans.filter(({ parentSpanId }) => parentSpanId === null);
    expect(roots.map(({ name }) => name)).toEqual(['POST /v2/models/{model}/infer', 'POST /v2/models/{model}/infer']);
    expect(new Set(roots.map((root) => root.traceId)).size).toBe(2);
  });

  it('are not made of a request whose caller does not sample, nor of any when the share is zero', async () => {
    const all = await gatewayTraced(1);
    await infer(all.url, { traceparent: `00-${traceId}-${parentId}-00` });
    const none = await gatewayTraced(0);
    await ask(none, 'demand');
    // What cannot be read counts as no trace at all.
    await infer(none.url, { traceparent: `00-${'0'.repeat(32)}-${parentId}-01` });
    await infer(none.url, { traceparent: 'nonsense' });
    await traces.close();
    expect(collector.spans).toEqual([]);
  });

  it('name a version that was asked for by its route, and no path that a caller made up', async () => {
    const gateway = await gatewayTraced(0);
    await post(`${gateway.url}/v2/models/demand/versions/1.0.0/infer`, pairs([[1, 2]]), { traceparent: sampled });
    await post(`${gateway.url}/made/up?with=query`, {}, { traceparent: sampled });
    await traces.close();
    const requests = collector.spans.filter(({ kind }) => kind === serverKind);
    expect(requests.map(({ name }) => name)).toEqual(['POST /v2/models/{model}/versions/{version}/infer', 'POST']);
    expect(requests[1]!.attributes).toMatchObject({ 'http.response.status_code': 404, 'url.path': '/made/up' });
    expect(requests[1]!.isError).toBe(false);
  });

  it('show the wait for a version that was not in memory, and an answer that took no run', async () => {
    await stage.addLive({ model: 'kept', version: '1.0.0', onnx: 'linear', spec: { cache: { ttlMs: 60_000, maxEntries: 10 } } });
    const gateway = await stage.start({ idleUnloadMs: 30 }, { ...storesOf(stage), tracing: { tracer: traces.tracer, ratio: 0 } });
    await until(async () =>
      (await get<string>(`${gateway.url}/metrics`)).body.includes('model_loaded{model_name="kept",version="1.0.0"} 0'),
    );
    const url = `${gateway.url}/v2/models/kept/infer`;
    for (let i = 0; i < 2; i++) expect((await post(url, pairs([[1, 2]]), { traceparent: sampled })).status).toBe(200);
    await traces.close();
    const [first, second] = collector.spans.filter(({ kind }) => kind === serverKind).sort((a, b) => Number(a.startNs - b.startNs));
    expect(collector.childrenOf(first!).map(({ name, attributes }) => [name, attributes['perennial.version']])).toEqual([
      ['load', '1.0.0'],
      ['predict', '1.0.0'],
    ]);
    const cached = collector.childrenOf(second!).find(({ name }) => name === 'predict')!;
    expect(cached.attributes['perennial.cached']).toBe(true);
    expect(collector.childrenOf(cached).map(({ name }) => name)).toEqual(['features']);
  });

  it('are joined over gRPC too, by the metadata of the call', async () => {
    stage.registry.setRoute({ model: 'demand', variants: [{ version: '1.0.0', weight: 1 }] });
    const tracing = { tracer: traces.tracer, ratio: 0 };
    const gateway = await stage.start({ grpcPort: 0 }, { ...storesOf(stage), tracing });
    const client = new GrpcClient(gateway.grpcAddress);
    await client.call('ModelInfer', rawPairs([[1, 2]]), { metadata: { traceparent: sampled } });
    expect(
      (await refusal(client.call('ModelInfer', rawPairs([[1, 2]], { model_name: 'none' }), { metadata: { traceparent: sampled } }))).status,
    ).toBe('NOT_FOUND');
    await client.call('ModelInfer', rawPairs([[1, 2]]));
    await traces.close();
    const calls = collector.spans.filter(({ parentSpanId }) => parentSpanId === parentId);
    expect(calls).toMatchObject([
      {
        name: 'inference.GRPCInferenceService/ModelInfer',
        kind: serverKind,
        traceId,
        attributes: {
          'rpc.system': 'grpc',
          'rpc.service': 'inference.GRPCInferenceService',
          'rpc.method': 'ModelInfer',
          'rpc.grpc.status_code': 0,
        },
      },
      { attributes: { 'rpc.grpc.status_code': 5 }, isError: false },
    ]);
    const [prediction] = collector.childrenOf(calls[0]!);
    expect(collector.childrenOf(prediction!).map(({ name }) => name)).toEqual(['features', 'queue', 'run']);
    expect(collector.childrenOf(calls[1]!)).toEqual([]);
    expect(collector.spans).toHaveLength(6);
  });

  it('are found from the log: a request that failed or was slow has a line with its trace, others have none', async () => {
    const gateway = await gatewayTraced(0, { variants: [{ version: '1.0.1', weight: 1 }] });
    const requestLines = () => stage.log.filter(({ event }) => event === 'failedRequest' || event === 'slowRequest');
    stage.log.length = 0;
    expect((await infer(gateway.url, { traceparent: `00-${traceId}-${parentId}-00` }, pairs([[5_000, 0]]))).status).toBe(400);
    expect((await infer(gateway.url, {})).status).toBe(200);
    expect(requestLines()).toEqual([]);
    expect((await infer(gateway.url, { traceparent: `00-${traceId}-${parentId}-00` }, pairs([[500, 0]]))).status).toBe(500);
    expect(requestLines()).toMatchObject([
      { level: 'warn', event: 'failedRequest', protocol: 'http', method: 'POST', path: '/v2/models/demand/infer', status: 500, traceId },
    ]);
    await infer(gateway.url, {}, pairs([[500, 0]]));
    expect(requestLines().some((line) => 'traceId' in line && line['traceId'] !== traceId)).toBe(false);
  });
});

describe('the log of requests', () => {
  afterEach(() => void vi.useRealTimers());

  it('has ten lines a second at most, and says how many it left out', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const lines: LogLine[] = [];
    const log = new AccessLog((line) => lines.push(line), 1_000);
    const failed = { protocol: 'http', method: 'POST', path: '/v2', status: 503, ms: 1, traceId: null } as const;
    for (let i = 0; i < 25; i++) log.write(failed);
    expect(lines).toHaveLength(10);
    vi.advanceTimersByTime(1_000);
    log.write({ ...failed, ms: 2_000 });
    expect(lines.at(-1)).toMatchObject({ event: 'slowRequest', ms: 2_000, leftOut: 15 });
    log.write(failed);
    expect(lines.at(-1)).not.toHaveProperty('leftOut');
  });

  it('is for what failed or was slow', () => {
    const log = new AccessLog(() => undefined, 1_000);
    expect([log.wants(5, false), log.wants(5, true), log.wants(1_000, false)]).toEqual([false, true, true]);
  });
});

describe('the share of requests that begin a trace', () => {
  const needed = { DATABASE_URL: 'postgres://nowhere', PERENNIAL_WORKFLOW_BUNDLE: 'bundle.js' };

  it('is a number from 0 to 1, and 0 where nobody said', () => {
    expect(readConfig(needed).gatewayTraceRatio).toBe(0);
    expect(readConfig({ ...needed, PERENNIAL_GATEWAY_TRACE_RATIO: '0.05' }).gatewayTraceRatio).toBe(0.05);
    for (const wrong of ['', '2', '-0.1', 'all'])
      expect(() => readConfig({ ...needed, PERENNIAL_GATEWAY_TRACE_RATIO: wrong })).toThrow('PERENNIAL_GATEWAY_TRACE_RATIO');
  });

  it('is of no use without a collector', () => {
    expect(openTracer({ service: 'perennial-gateway', otlpEndpoint: null })).toBeNull();
  });
});

function storesOf({ registry }: Stage) {
  const { routes, captures, outcomes } = registry;
  return { routes, captures, outcomes };
}
