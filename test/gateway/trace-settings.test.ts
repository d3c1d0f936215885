import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { openTracer, type OpenTracer } from '../../workers/telemetry.js';
import { ask, get, post } from './support/requests.js';
import { openStage } from './support/stage.js';
import { TraceCollector } from './support/trace-collector.js';

const stage = await openStage();
let plain: Gateway;
let traced: Gateway;
let collector: TraceCollector;
let traces: OpenTracer;

beforeAll(async () => {
  plain = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
  collector = await new TraceCollector().open();
  traces = openTracer({ service: 'perennial-gateway', otlpEndpoint: collector.url })!;
  const { routes, captures, outcomes } = stage.registry;
  traced = await stage.start({}, { routes, captures, outcomes, tracing: { tracer: traces.tracer, ratio: 0 } });
});
afterAll(() => traces.close());

const setting = (gateway: Gateway) => `${gateway.url}/v2/trace/setting`;
const off = {
  trace_level: ['OFF'],
  trace_rate: '1000',
  trace_count: '-1',
  log_frequency: '0',
  trace_file: '',
  trace_mode: 'opentelemetry',
};

describe('trace settings', () => {
  it('are told, and advertised where traces go somewhere', async () => {
    expect((await get(setting(traced))).body).toEqual(off);
    expect((await get(`${traced.url}/v2/models/demand/trace/setting`)).body).toEqual(off);
    expect((await get(`${traced.url}/v2/models/nothing/trace/setting`)).status).toBe(404);
    expect((await get<{ extensions: string[] }>(`${traced.url}/v2`)).body.extensions).toContain('trace');
    expect((await get<{ extensions: string[] }>(`${plain.url}/v2`)).body.extensions).not.toContain('trace');
    expect(await post(setting(plain), { trace_level: ['TIMESTAMPS'] })).toMatchObject({
      status: 501,
      body: { error: expect.stringContaining('OTEL_EXPORTER_OTLP_ENDPOINT') },
    });
  });

  it.each([
    [{ trace_rate: 0 }, 400, /trace_rate is 0/],
    [{ trace_rate: 'often' }, 400, /trace_rate is "often"/],
    [{ trace_level: ['TENSORS'] }, 400, /tensors are never traced/],
    [{ trace_file: '/tmp/x' }, 400, /trace_file cannot be changed/],
    [{ trace_level: ['TIMESTAMPS'], colour: 'red' }, 400, /"colour" is no trace setting/],
    [[], 400, /the trace settings are a list/],
  ])('%j is refused, and nothing is changed', async (change, status, message) => {
    expect(await post(setting(traced), change)).toMatchObject({ status, body: { error: expect.stringMatching(message) } });
    expect((await get(setting(traced))).body).toEqual(off);
  });

  it('of one model alone are not here', async () => {
    expect((await post(`${traced.url}/v2/models/demand/trace/setting`, { trace_level: ['TIMESTAMPS'] })).status).toBe(501);
  });

  it('change what is traced', async () => {
    await ask(traced, 'demand');
    const on = { ...off, trace_level: ['TIMESTAMPS'], trace_rate: '1' };
    expect((await post(setting(traced), { trace_level: ['TIMESTAMPS'], trace_rate: '1' })).body).toEqual(on);
    await ask(traced, 'demand', [7, 7]);
    expect((await post(setting(traced), { trace_level: 'OFF' })).body).toEqual({ ...on, trace_level: ['OFF'] });
    await ask(traced, 'demand');
    // What is left out or null is as before, or as the process was started.
    expect((await post(setting(traced), { trace_rate: null })).body).toEqual(off);
    await traces.close();
    const requests = collector.spans.filter(({ name }) => name === 'POST /v2/models/{model}/infer');
    expect(requests).toHaveLength(1);
  });
});
