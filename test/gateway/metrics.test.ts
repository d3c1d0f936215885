import { expect, it } from 'vitest';
import { GatewayMetrics } from '../../gateway/watching/metrics.js';
import { RecentLatency } from '../../gateway/watching/recent-latency.js';
import { ask, get, pairs, post, until } from './support/requests.js';
import { openStage } from './support/stage.js';

const labels = 'model_name="demand",version="1.0.0"';
const triton = 'model="demand",version="1.0.0"';

/** A metric's value in Prometheus text; null when it is not there. */
function value(text: string, sample: string): number | null {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${sample} `));
  return line === undefined ? null : Number(line.slice(sample.length + 1));
}

/** The gateway's own series, without those of the process, which come and go. */
const seriesIn = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => /^(model|gateway|nv)_/.test(line))
    .map((line) => line.slice(0, line.lastIndexOf(' ')));
const serveDemand = async () => (await openStage()).serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
const scrape = async (url: string) => (await get<string>(`${url}/metrics`)).body;

it('tells what was predicted, how fast, in what batches, under both families of names', async () => {
  const gateway = await serveDemand();
  const three = pairs([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  for (let i = 0; i < 4; i++) await post(`${gateway.url}/v2/models/demand/infer`, three);
  expect((await post(`${gateway.url}/v2/models/demand/infer`, pairs([[5_000, 1]]))).status).toBe(400);
  const text = await scrape(gateway.url);
  expect(value(text, `model_predictions_total{${labels}}`)).toBe(12);
  expect(value(text, `model_prediction_errors_total{${labels},error_type="invalidRequest"}`)).toBe(1);
  expect(value(text, `model_prediction_latency_seconds_count{${labels}}`)).toBe(4);
  expect(value(text, `model_prediction_latency_seconds_bucket{le="+Inf",${labels}}`)).toBe(4);
  expect(value(text, `model_prediction_latency_seconds_sum{${labels}}`)).toBeGreaterThan(0);
  expect(value(text, `model_prediction_recent_latency_seconds{${labels},quantile="0.99"}`)).toBeGreaterThan(0);
  expect(value(text, `model_invocations_per_minute{${labels}}`)).toBeGreaterThan(0);
  expect(value(text, `gateway_batch_rows_sum{${labels}}`)).toBe(12);
  expect(value(text, `gateway_run_seconds_count{${labels}}`)).toBe(4);
  expect(value(text, `gateway_queue_seconds_count{${labels}}`)).toBe(4);
  for (const part of ['queue', 'compute_input', 'compute_infer', 'compute_output'])
    expect(value(text, `nv_inference_${part}_duration_us{${triton}}`), part).toBeGreaterThan(0);
  expect(value(text, `model_load_seconds{${labels}}`)).toBeGreaterThan(0);
  expect(value(text, `model_loads_total{${labels}}`)).toBe(1);
  expect(value(text, `gateway_in_flight{${labels}}`)).toBe(0);
  expect(value(text, `gateway_requests_total{protocol="http",endpoint="infer",status="200",model_name="demand"}`)).toBe(4);
  expect(value(text, `gateway_requests_total{protocol="http",endpoint="infer",status="400",model_name="demand"}`)).toBe(1);
  expect(value(text, `nv_inference_request_success{${triton}}`)).toBe(4);
  expect(value(text, `nv_inference_request_failure{${triton},reason="OTHER"}`)).toBe(1);
  expect(value(text, `nv_inference_request_failure{${triton},reason="REJECTED"}`)).toBe(0);
  expect(value(text, `nv_inference_count{${triton}}`)).toBe(12);
  expect(value(text, `nv_inference_exec_count{${triton}}`)).toBe(4);
  expect(value(text, `nv_inference_pending_request_count{${triton}}`)).toBe(0);
  expect(value(text, `nv_inference_request_duration_us{${triton}}`)).toBeGreaterThan(0);
  expect(value(text, `nv_cache_num_hits_per_model{${triton}}`)).toBe(0);
});

it('tells of the process: CPU, memory, and how busy the event loop is', async () => {
  const gateway = await serveDemand();
  const text = await scrape(gateway.url);
  for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_eventloop_lag_p99_seconds'])
    expect(value(text, name), name).toBeGreaterThan(0);
  const busy = value(text, 'gateway_event_loop_utilization')!;
  expect(busy).toBeGreaterThanOrEqual(0);
  expect(busy).toBeLessThanOrEqual(1);
});

it('is text that Prometheus reads: each family once, with its type before its samples', async () => {
  const gateway = await serveDemand();
  await ask(gateway, 'demand');
  const lines = (await scrape(gateway.url)).split('\n').filter((line) => line !== '');
  const families = new Map<string, string>();
  let current = '';
  for (const line of lines) {
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary)$/.exec(line);
    if (type !== null) {
      expect(families.has(type[1]!), type[1]).toBe(false);
      families.set(type[1]!, type[2]!);
      current = type[1]!;
    } else if (!line.startsWith('# HELP ')) {
      const sample = /^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*\})? (?:[-+]?\d[\d.e+-]*|NaN|[-+]Inf)$/.exec(line);
      expect(sample, line).not.toBeNull();
      const suffixed = sample![1]!.replace(/_(bucket|sum|count)$/, '');
      expect([sample![1], suffixed], line).toContain(current);
    }
  }
  expect(families.size).toBeGreaterThan(40);
});

it('makes no series of names that callers make up', async () => {
  const gateway = await serveDemand();
  const before = seriesIn(await scrape(gateway.url));
  for (let i = 0; i < 30; i++) {
    await post(`${gateway.url}/v2/models/invented-${i}/infer`, pairs([[1, 2]]));
    await post(`${gateway.url}/v2/models/demand/versions/9.${i}.0/infer`, pairs([[1, 2]]));
    await get(`${gateway.url}/invented/${i}`);
  }
  const after = await scrape(gateway.url);
  expect(after).not.toContain('invented');
  expect(after).not.toContain('9.1.0');
  // One a status that an endpoint had not answered yet, however many names.
  expect(seriesIn(after).filter((one) => !before.includes(one))).toEqual([
    'gateway_requests_total{protocol="http",endpoint="metrics",status="200"}',
    'gateway_requests_total{protocol="http",endpoint="infer",status="404"}',
    'gateway_requests_total{protocol="http",endpoint="none",status="404"}',
    'gateway_requests_total{protocol="http",endpoint="infer",status="404",model_name="demand"}',
  ]);
});

it("keeps the shadow's work apart from what callers got", async () => {
  const stage = await openStage();
  await stage.addVersion({ model: 'twin', version: '1.0.0', onnx: 'linear' });
  await stage.addVersion({ model: 'twin', version: '1.0.1', onnx: 'linear' });
  const route = stage.registry.setRoute({ model: 'twin', variants: [{ version: '1.0.0', weight: 1 }], shadow: '1.0.1' });
  const gateway = await stage.start();
  await stage.registry.acknowledged(route);
  for (let i = 0; i < 5; i++) expect((await ask(gateway, 'twin')).status).toBe(200);
  const shadow = 'model_name="twin",version="1.0.1"';
  await until(async () => value(await scrape(gateway.url), `gateway_shadow_predictions_total{${shadow}}`) === 5);
  const text = await scrape(gateway.url);
  expect(value(text, `model_predictions_total{${shadow}}`)).toBe(0);
  expect(value(text, 'model_predictions_total{model_name="twin",version="1.0.0"}')).toBe(5);
  expect(value(text, `gateway_shadow_latency_seconds_count{${shadow}}`)).toBe(5);
});

it('tells the newest quality of what is live, as the registry knows it, and keeps it while the registry is away', async () => {
  const stage = await openStage();
  const figure = {
    model: 'demand',
    version: '1.0.0',
    metric: 'mape',
    value: 0.075,
    source: 'rollout',
    rows: 28,
    measuredAtMs: 5_000,
  } as const;
  let asked = 0;
  const quality = {
    live: async () => {
      if (++asked > 1) throw new Error('Postgres did not answer');
      return [figure];
    },
  };
  await stage.addLive({ model: 'demand', version: '1.0.0', onnx: 'linear' });
  const gateway = await stage.start({ qualityEveryMs: 5 }, { quality });
  await until(() => asked > 2);
  const text = await scrape(gateway.url);
  const own = `${labels},metric="mape",source="rollout"`;
  expect(value(text, `model_accuracy{${own}}`)).toBe(0.075);
  expect(value(text, `model_accuracy_rows{${own}}`)).toBe(28);
  expect(value(text, `model_accuracy_measured_timestamp_seconds{${own}}`)).toBe(5);
});

it('forgets versions that are long gone, and none that is loaded', () => {
  const metrics = new GatewayMetrics();
  const host = { loadSeconds: 1, inFlight: () => 0, waiting: () => 0 };
  metrics.version('kept', '1.0.0').loaded(host);
  for (let i = 0; i < 1_000; i++) metrics.version('passing', `1.0.${i}`).loaded(host)();
  const told = metrics.versions.map(({ model, version }) => `${model} ${version}`);
  expect(told).toContain('kept 1.0.0');
  expect(told).toContain('passing 1.0.999');
  expect(told).not.toContain('passing 1.0.700');
  expect(told.length).toBeLessThan(250);
});

it('tells the quantiles of the last minute or two, and of nothing older', () => {
  const recent = new RecentLatency(0);
  for (let i = 1; i <= 100; i++) recent.add(i, i);
  expect(recent.figures(30_000)).toMatchObject({ spanMs: 30_000, count: 100 });
  expect(recent.figures(30_000).p95Ms!).toBeGreaterThan(95 * 0.99);
  expect(recent.figures(30_000).p95Ms!).toBeLessThan(95 * 1.01);
  recent.add(1_000, 61_000);
  expect(recent.figures(100_000)).toMatchObject({ spanMs: 100_000, count: 101 });
  expect(recent.figures(125_000)).toMatchObject({ count: 1 });
  expect(recent.figures(900_000)).toMatchObject({ count: 0, p50Ms: null });
});

it('folds the sizes of large batches, so that their number stays small', () => {
  const metrics = new GatewayMetrics().version('m', '1');
  for (let rows = 1; rows <= 5_000; rows++) metrics.ran({ requests: 1, rows, ms: 0.5 });
  const { batches, inferences, runs, computeInfer } = metrics.snapshot();
  expect(batches.length).toBe(256 + 5);
  expect(batches.at(-1)).toEqual({ rows: 8_192, computeInfer: { count: 5_000 - 4_096, ns: (5_000 - 4_096) * 500_000 } });
  expect({ inferences, runs }).toEqual({ inferences: (5_000 * 5_001) / 2, runs: 5_000 });
  expect(computeInfer).toEqual({ count: 5_000, ns: 5_000 * 500_000 });
});
