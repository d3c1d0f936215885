import { gzipSync, deflateSync, gunzipSync, inflateSync } from 'node:zlib';
import { request as httpRequest } from 'node:http';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { serveDemand } from './support/demand.js';
import { ask, get, pairs, post } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;

beforeAll(async () => {
  for (const fixture of ['identity-float', 'mixed']) await stage.addFixture(fixture);
  gateway = await serveDemand(stage, { packFromBytes: 1_000 });
});

const url = (path: string): string => `${gateway.url}${path}`;
const infer = (model: string, body: unknown) => post(url(`/v2/models/${model}/infer`), body);
const floats = (shape: number[], data: number[]) => [{ name: 'x', datatype: 'FP32', shape, data }];

/** Sends bytes as they are, and takes the answer as it comes: fetch would unpack it. */
function exchange(
  body: Uint8Array,
  headers: Record<string, string>,
): Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url('/v2/models/demand/infer'), { method: 'POST', headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('packed bodies', () => {
  const rows = Array.from({ length: 300 }, (_, i): [number, number] => [i, 1]);
  const good = Buffer.from(JSON.stringify(pairs(rows)));

  it.each([
    ['gzip', gzipSync(good)],
    ['deflate', deflateSync(good)],
    ['GZIP', gzipSync(good)],
    ['identity', good],
  ])('of %s are unpacked', async (encoding, body) => {
    const answer = await exchange(body, { 'content-encoding': encoding });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-encoding']).toBeUndefined();
  });

  it.each([
    ['gzip', 'gzip', gunzipSync],
    ['deflate', 'deflate', inflateSync],
    ['gzip;q=0, deflate;q=0.5', 'deflate', inflateSync],
    ['br, *;q=0.1', 'gzip', gunzipSync],
  ])('are answered to a caller that accepts %s', async (accepted, encoding, unpack) => {
    const answer = await exchange(good, { 'accept-encoding': accepted });
    expect(answer.headers).toMatchObject({ 'content-encoding': encoding, vary: 'Accept-Encoding' });
    const { outputs } = JSON.parse(unpack(answer.body).toString()) as { outputs: { data: number[] }[] };
    expect(outputs[0]!.data).toEqual(rows.map(([a]) => a + 10));
  });

  it.each(['identity', 'br', 'gzip;q=0', ''])('are not answered to a caller that accepts "%s"', async (accepted) => {
    const answer = await exchange(good, { 'accept-encoding': accepted });
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(JSON.parse(answer.body.toString())).toHaveProperty('outputs');
  });

  it('small answers stay as they are', async () => {
    const answer = await exchange(Buffer.from(JSON.stringify(pairs([[1, 2]]))), { 'accept-encoding': 'gzip' });
    expect(answer.headers['content-encoding']).toBeUndefined();
  });

  it('hold binary tensors as well', async () => {
    const head = Buffer.from(
      JSON.stringify({
        inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 400], parameters: { binary_data_size: 1600 } }],
        parameters: { binary_data_output: true },
      }),
    );
    const values = Float32Array.from({ length: 400 }, (_, i) => i);
    const response = await fetch(url('/v2/models/identity-float/infer'), {
      method: 'POST',
      headers: { 'content-encoding': 'gzip', 'inference-header-content-length': String(head.length), 'accept-encoding': 'gzip' },
      body: gzipSync(Buffer.concat([head, Buffer.from(values.buffer)])),
    });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    const answer = Buffer.from(await response.arrayBuffer());
    // The head's length is that of the unpacked answer.
    const bytes = Uint8Array.from(answer.subarray(Number(response.headers.get('inference-header-content-length'))));
    expect([...new Float32Array(bytes.buffer)]).toEqual([...values]);
  });

  it.each([
    [
      'a bomb',
      'gzip',
      gzipSync(Buffer.alloc(65 * 1024 * 1024)),
      400,
      /the unpacked body exceeds the maximum allowed value of 67108864 bytes/,
    ],
    ['a bomb', 'deflate', deflateSync(Buffer.alloc(65 * 1024 * 1024)), 400, /the unpacked body exceeds/],
    ['bytes that are not packed', 'gzip', good, 400, /the body is not gzip/],
    ['a body that is cut off', 'gzip', gzipSync(good).subarray(0, 100), 400, /the body is not gzip/],
    ['another encoding', 'br', good, 415, /Content-Encoding br is not taken: gzip and deflate are/],
    ['two encodings', 'gzip, deflate', good, 415, /Content-Encoding gzip, deflate is not taken/],
  ])('refused: %s (%s)', async (...[, encoding, body, status, message]) => {
    const answer = await exchange(body, { 'content-encoding': encoding });
    expect(answer.status).toBe(status);
    expect((JSON.parse(answer.body.toString()) as { error: string }).error).toMatch(message);
    expect((await ask(gateway, 'demand', [3, 4])).body.outputs[0]!.data).toEqual([43]);
  });
});

describe('classification', () => {
  const classes = (count: unknown, name = 'y') => [{ name, parameters: { classification: count } }];

  it('tells the largest values of each row with their places', async () => {
    const { body } = await infer('identity-float', {
      inputs: floats([2, 4], [1, 5, 10, 4, 0.1, -3, 0.30000001, 0.1]),
      outputs: classes(3),
    });
    expect(body.outputs[0]).toEqual({
      name: 'y',
      datatype: 'BYTES',
      shape: [2, 3],
      data: ['10:2', '5:1', '4:3', '0.3:2', '0.1:0', '0.1:3'],
    });
  });

  it('tells no more than there are', async () => {
    const { body } = await infer('identity-float', { inputs: floats([1, 2], [1, 2]), outputs: classes(9) });
    expect(body.outputs[0]).toMatchObject({ shape: [1, 2], data: ['2:1', '1:0'] });
  });

  it.each([
    ['identity-float', classes(-1), /output "y": classification is -1: a whole number of classes/],
    ['identity-float', classes('3'), /classification is "3"/],
    ['mixed', classes(1, 'echo'), /class result not available for output "echo" due to unsupported type "BYTES"/],
  ])('of %s is refused with %j', async (model, outputs, message) => {
    const inputs =
      model === 'mixed'
        ? [
            { name: 'word', datatype: 'BYTES', shape: [1], data: ['x'] },
            { name: 'a', datatype: 'FP32', shape: [1, 2], data: [1, 2] },
            { name: 'b', datatype: 'INT64', shape: [1], data: [1] },
            { name: 'flag', datatype: 'BOOL', shape: [1], data: [true] },
          ]
        : floats([1, 2], [1, 2]);
    expect(await infer(model, { inputs, outputs })).toMatchObject({ status: 400, body: { error: expect.stringMatching(message) } });
  });
});

describe('parameters', () => {
  const asked = (parameters: unknown) => infer('demand', pairs([[3, 4]], { parameters }));

  it('custom ones, priority and timeout are taken', async () => {
    expect((await asked({ priority: 1, timeout: 30_000_000, mine: 'x', other: 1.5, third: true })).status).toBe(200);
    expect((await asked({ priority: 0, timeout: 0, sequence_id: 0 })).status).toBe(200);
  });

  it('a timeout that has passed is no prediction', async () => {
    const answer = await asked({ timeout: 1 });
    expect([429, 503, 504]).toContain(answer.status);
  });

  it.each([
    [{ priority: -1 }, 400, /parameters.priority is -1/],
    [{ priority: 'high' }, 400, /parameters.priority is "high"/],
    [{ timeout: 1.5 }, 400, /parameters.timeout is 1.5/],
    [{ binary_data_output: 1 }, 400, /binary_data_output is a number/],
    [{ headers: 'x' }, 400, /parameters.headers: this name is reserved/],
    [{ sequence_id: 7, sequence_start: true }, 501, /serves no sequences/],
  ])('%j', async (parameters, status, message) => {
    expect(await asked(parameters)).toMatchObject({ status, body: { error: expect.stringMatching(message) } });
  });
});

describe('what management tools ask', () => {
  it('the configuration of a model, in the words of ModelConfig', async () => {
    const { status, body } = await get(url('/v2/models/identity-float/config'));
    expect(status).toBe(200);
    expect(body).toMatchObject({
      name: 'identity-float',
      platform: 'onnxruntime_onnx',
      backend: 'onnxruntime',
      max_batch_size: 0,
      input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [-1, -1] }],
      output: [{ name: 'y', data_type: 'TYPE_FP32', dims: [-1, -1] }],
    });
    const demand = await get(url('/v2/models/demand/versions/1.0.1/config'));
    expect(demand.body).toMatchObject({
      max_batch_size: 256,
      version_policy: { all: {} },
      input: [
        { name: 'hour', data_type: 'TYPE_INT64', dims: [1], reshape: { shape: [] } },
        { name: 'a', data_type: 'TYPE_FP64' },
        { name: 'b', data_type: 'TYPE_FP64' },
      ],
      output: [{ name: 'value', data_type: 'TYPE_FP32' }],
      dynamic_batching: { max_queue_delay_microseconds: 0, default_queue_policy: { max_queue_size: 1_000 } },
    });
    expect((await get(url('/v2/models/nothing/config'))).status).toBe(404);
    expect((await get(url('/v2/models/demand/versions/7/config'))).status).toBe(404);
  });

  type Stats = {
    model_stats: {
      name: string;
      version: string;
      last_inference: number;
      inference_count: number;
      execution_count: number;
      inference_stats: Record<string, { count: number; ns: number }>;
      batch_stats: { batch_size: number; compute_infer: { count: number } }[];
    }[];
  };

  it('what each version has answered', async () => {
    const of = async () => (await get<Stats>(url('/v2/models/demand/versions/1.0.0/stats'))).body.model_stats[0]!;
    const before = await of();
    await infer('demand', pairs(Array.from({ length: 7 }, (): [number, number] => [1, 1])));
    await ask(gateway, 'demand');
    await infer('demand', pairs([[9_999, 1]]));
    const after = await of();
    expect(after.inference_count - before.inference_count).toBe(8);
    expect(after.execution_count - before.execution_count).toBe(2);
    expect(after.inference_stats['success']!.count - before.inference_stats['success']!.count).toBe(2);
    expect(after.inference_stats['fail']!.count - before.inference_stats['fail']!.count).toBe(1);
    expect(after.inference_stats['success']!.ns).toBeGreaterThan(before.inference_stats['success']!.ns);
    for (const part of ['queue', 'compute_input', 'compute_infer', 'compute_output', 'cache_hit', 'cache_miss'])
      expect(after.inference_stats[part]).toEqual({ count: expect.any(Number), ns: expect.any(Number) });
    expect(after.batch_stats.find(({ batch_size: size }) => size === 7)!.compute_infer.count).toBe(1);
    expect(Math.abs(Date.now() - after.last_inference)).toBeLessThan(60_000);
    const model = await get<Stats>(url('/v2/models/demand/stats'));
    // Triton's tools know versions as whole numbers alone: a model's own statistics are the sums by major version.
    expect(model.body.model_stats.map(({ version }) => version)).toEqual(['1']);
    const [major] = model.body.model_stats;
    const second = (await get<Stats>(url('/v2/models/demand/versions/1.0.1/stats'))).body.model_stats[0]!;
    for (const part of ['success', 'fail', 'compute_infer'])
      expect(major!.inference_stats[part]!.count).toBe(after.inference_stats[part]!.count + second.inference_stats[part]!.count);
    const runs = (of: typeof second) => of.batch_stats.reduce((sum, { compute_infer: { count } }) => sum + count, 0);
    expect([runs(major!) > 0, runs(major!)]).toEqual([true, runs(after) + runs(second)]);
    const all = await get<Stats>(url('/v2/models/stats'));
    expect(new Set(all.body.model_stats.map(({ name }) => name))).toEqual(new Set(['demand', 'identity-float', 'mixed']));
    expect((await get(url('/v2/models/nothing/stats'))).status).toBe(404);
  });

  it('the repository, by its one name or none', async () => {
    type Entry = { name: string; version: string; state: string };
    const all = await post<Entry[]>(url('/v2/repository/index'), '');
    expect(all.status).toBe(200);
    expect(all.body.filter(({ name }) => name === 'demand').map(({ version }) => version)).toEqual(['1.0.0', '1.0.1']);
    const ready = await post<Entry[]>(url('/v2/repository/perennial/index'), { ready: true });
    expect(ready.body.length).toBeGreaterThan(0);
    expect(new Set(ready.body.map(({ state }) => state))).toEqual(new Set(['READY']));
    expect((await post(url('/v2/repository/elsewhere/index'), {})).status).toBe(404);
  });

  it('to load and unload a version', async () => {
    const state = async () =>
      (await post<{ name: string; version: string; state: string }[]>(url('/v2/repository/index'), '')).body.find(
        ({ name, version }) => name === 'demand' && version === '1.0.1',
      )!.state;
    expect((await post(url('/v2/repository/models/demand/versions/1.0.1/load'), '')).status).toBe(200);
    expect(await state()).toBe('READY');
    expect(
      await post(url('/v2/repository/models/demand/versions/1.0.1/unload'), { parameters: { unload_dependents: false } }),
    ).toMatchObject({
      status: 200,
    });
    expect(await state()).toBe('UNAVAILABLE');
    expect((await post(url('/v2/repository/perennial/models/demand/versions/1.0.1/load'), {})).status).toBe(200);
    expect(await state()).toBe('READY');
  });

  it.each([
    ['/v2/repository/index', `{"ready":${'['.repeat(250_000)}true${']'.repeat(250_000)}}`, 400, /nesting depth exceeds/],
    ['/v2/repository/index', { ready: [true] }, 400, /Invalid value for 'ready': expected a boolean/],
    ['/v2/repository/index', [], 400, /the request is a list/],
    ['/v2/repository/models/demand/load', { parameters: 7 }, 400, /parameters is a number/],
    ['/v2/repository/models/nothing/load', '', 404, /^Request for unknown model.*failed to load/],
    ['/v2/repository/models/nothing/unload', '', 404, /^Request for unknown model/],
    ['/v2/repository/models/..%2fetc/load', '', 400, /no model name/],
    ['/v2/repository/models/%20/load', '', 400, /no model name/],
    ['/v2/repository/models//load', '', 400, /no model name/],
    ['/v2/repository/models/demand/load', { parameters: { 'file:1/model.onnx': 'AAAA', config: '{}' } }, 400, /failed to load/],
    ['/v2/systemsharedmemory/region/x/register', { key: '/x', offset: 0, byte_size: 8 }, 501, /shares no memory/],
    ['/v2/cudasharedmemory/unregister', '', 501, /shares no memory/],
  ])('%s with what is wrong', async (...[path, body, status, message]) => {
    const answer = await post(url(path), body);
    expect(answer.status).toBe(status);
    expect(answer.body.error).toMatch(message);
    expect((await ask(gateway, 'demand', [3, 4])).status).toBe(200);
  });

  it('shared memory in a request is not taken either', async () => {
    const parameters = { shared_memory_region: 'x', shared_memory_byte_size: 8 };
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], parameters }];
    expect(await infer('identity-float', { inputs })).toMatchObject({ status: 501 });
    expect(await infer('identity-float', { inputs: floats([1, 1], [1]), outputs: [{ name: 'y', parameters }] })).toMatchObject({
      status: 501,
    });
    expect((await get(url('/v2/systemsharedmemory/status'))).status).toBe(501);
  });

  it('which lines the log gets, and changes that', async () => {
    const lines = () => stage.log.filter(({ event }) => event === 'request').length;
    const before = await get(url('/v2/logging'));
    expect(before.body).toEqual({
      log_file: '',
      log_info: true,
      log_warning: true,
      log_error: true,
      log_verbose_level: 0,
      log_format: 'default',
    });
    await ask(gateway, 'demand');
    expect(lines()).toBe(0);
    const changed = await post(url('/v2/logging'), { log_verbose_level: 1 });
    expect(changed.body).toEqual({ ...before.body, log_verbose_level: 1 });
    await ask(gateway, 'demand');
    expect(stage.log.find(({ event, path }) => event === 'request' && path === '/v2/models/demand/infer')).toMatchObject({
      level: 'info',
      method: 'POST',
      status: 200,
    });
    await post(url('/v2/logging'), { log_info: false });
    const quiet = lines();
    await ask(gateway, 'demand');
    expect(lines()).toBe(quiet);
    expect(await post(url('/v2/logging'), { log_info: true, log_verbose_level: 0 })).toMatchObject({ body: before.body });
  });

  it.each([
    [{ log_verbose_level: -1 }, /log_verbose_level is -1/],
    [{ log_info: 'yes' }, /log_info is text/],
    [{ log_file: '/etc/passwd' }, /log_file cannot be changed/],
    [{ log_format: 'ISO8601' }, /"default"/],
    [{ colour: 'red' }, /"colour" is no log setting/],
    [[], /the log settings are a list/],
  ])('log settings %j are refused, and nothing is changed', async (settings, message) => {
    const before = await get(url('/v2/logging'));
    const answer = await post(url('/v2/logging'), Array.isArray(settings) ? settings : { log_error: false, ...settings });
    expect(answer).toMatchObject({ status: 400, body: { error: expect.stringMatching(message) } });
    expect((await get(url('/v2/logging'))).body).toEqual(before.body);
  });
});
