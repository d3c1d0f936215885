/**
 * What other servers test of themselves, asked of this one: Triton's L0_http (http_test, http_input_size_limit_test) and
 * L0_input_validation (BSD-3), MLServer's tests/rest/test_endpoints (Apache-2.0), KServe's test_server (Apache-2.0).
 * Rewritten for the models here. Where this server answers otherwise on purpose, the case says how.
 */
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { binaryBody, bytesOf, postBytes, textsOf } from './support/binary.js';
import { get, post } from './support/requests.js';
import type { InferAnswer } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;

beforeAll(async () => {
  for (const fixture of ['identity-float', 'identity-half', 'identity-text', 'identity-texts', 'identity-cube', 'mixed'])
    await stage.addFixture(fixture, 'v1.2.3');
  gateway = await stage.start({ maxBodyBytes: 1024 * 1024 });
});

const url = (path: string): string => gateway.url + path;
const inferUrl = (model: string): string => url(`/v2/models/${model}/infer`);
const isLive = async (): Promise<boolean> => (await fetch(url('/v2/health/live'))).status === 200;
const row = (values: number[], datatype = 'FP32') => ({ inputs: [{ name: 'x', datatype, shape: [1, values.length], data: [values] }] });

async function refused(model: string, body: unknown, headers: Record<string, string> = {}): Promise<string> {
  const answer = await post<InferAnswer>(inferUrl(model), body, headers);
  expect(answer.status).toBe(400);
  expect(await isLive()).toBe(true);
  return answer.body.error!;
}

describe("Triton's http_test", () => {
  const raw = { 'Inference-Header-Content-Length': '0' };

  it.each([8, 32])('test_raw_binary, test_raw_binary_longer: %i floats', async (n) => {
    const bytes = Buffer.from(Float32Array.from({ length: n }, (_, i) => i).buffer);
    expect((await postBytes(inferUrl('identity-float'), bytes, raw)).bytes['y']).toEqual(bytes);
  });

  it('test_byte: one text, its length only on the way out', async () => {
    expect(textsOf((await postBytes(inferUrl('identity-text'), Buffer.from('427'), raw)).bytes['y']!)).toEqual(['427']);
  });

  it('test_byte_too_many_elements', async () => {
    expect(await refused('identity-texts', Buffer.from('427'), raw)).toContain(
      'For BYTE datatype raw input "x", the model must have input shape [1]',
    );
  });

  it('test_multi_variable_dimensions, test_multi_inputs', async () => {
    expect(await refused('identity-cube', Buffer.alloc(16), raw)).toContain(
      'The shape of the raw input "x" can not be deduced because there are more than one variable-sized dimension',
    );
    expect(await refused('mixed', Buffer.alloc(96), raw)).toContain(
      'Raw request must only have 1 input (found 1) to be deduced but got 4 inputs in',
    );
  });

  it('test_content_encoding_chunked_manually', async () => {
    const bytes = Buffer.from(Float32Array.from({ length: 8 }, (_, i) => i).buffer);
    const pieces = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const response = await fetch(inferUrl('identity-float'), { method: 'POST', body: pieces, headers: raw, duplex: 'half' } as RequestInit);
    const answer = Buffer.from(await response.arrayBuffer());
    expect(answer.subarray(Number(response.headers.get('inference-header-content-length')))).toEqual(bytes);
  });

  it('test_buffer_size_overflow, test_negative_dimensions (a client error here)', async () => {
    const shaped = (shape: number[]) => ({ inputs: [{ name: 'x', shape, datatype: 'FP32', data: [1] }] });
    expect(await refused('identity-float', shaped([2 ** 4, 2 ** 60 + 2]))).toContain('multiplies to more elements than can be counted');
    expect(await refused('identity-float', shaped([2 ** 2, 2 ** 60 + 2]))).toContain('multiplies to more elements than can be counted');
    expect(await refused('identity-float', shaped([2, -5]))).toContain('holds -5: whole numbers of 0 or more are expected');
  });

  it('test_loading_large_invalid_model, test_load_oversized_file_parameter', async () => {
    const load = (parameters: unknown) => post<InferAnswer>(url('/v2/repository/models/identity-float/load'), { parameters });
    const large = await load({ config: '{}', 'file:1/model.onnx': 'A'.repeat(2 * 1024 * 1024) });
    expect([large.status, large.body.error]).toEqual([400, expect.stringContaining('exceeds the maximum allowed value')]);
    const long = await load({ [`file:${'A'.repeat(256)}`]: 'YQ==', config: '{}' });
    expect([long.status, long.body.error]).toEqual([400, expect.stringContaining('failed to load')]);
    expect((await get(url('/v2/health/ready'))).status).toBe(200);
  });

  it('test_json_recursion_depth_limit (data may nest as deep as its shape, and no deeper)', async () => {
    const nested = (depth: number, data: string) =>
      `{"inputs":[{"name":"x","datatype":"BYTES","shape":[1,1],"data":${'['.repeat(depth)}${data}${']'.repeat(depth)}}]}`;
    expect(await refused('identity-texts', nested(120, '"hello"'))).toContain('JSON nesting depth exceeds maximum allowed limit (100)');
    expect(await refused('identity-texts', nested(50, '"hello"'))).toContain('element 0, is a list: text is expected');
    const answer = await post(inferUrl('identity-texts'), nested(2, '"hello"'));
    expect(answer.body.outputs[0]!.data).toEqual(['hello']);
  });

  it('test_duplicate_output_names', async () => {
    expect(await refused('identity-float', { ...row([1]), outputs: [{ name: 'y' }, { name: 'y' }] })).toContain(
      'output "y" already exists in request',
    );
  });

  it('test_repository_index_deeply_nested_json', async () => {
    const body = `{"ready":${'['.repeat(250_000)}true${']'.repeat(250_000)}}`;
    expect((await post(url('/v2/repository/index'), body)).status).toBe(400);
    expect(await isLive()).toBe(true);
  });

  it('test_inference_header_content_length_out_of_range', async () => {
    expect(await refused('identity-float', { inputs: [] }, { 'Inference-Header-Content-Length': '99999999999' })).toContain('99999999999');
  });
});

describe("Triton's http_input_size_limit_test", () => {
  const most = 1024 * 1024;

  it('a raw body of just the limit is taken, one more byte is not', async () => {
    const raw = { 'inference-header-content-length': '0' };
    const whole = await postBytes(inferUrl('identity-float'), Buffer.alloc(most), raw);
    expect(whole.head.outputs[0]!.shape).toEqual([1, most / 4]);
    const more = await postBytes(inferUrl('identity-float'), Buffer.alloc(most + 4), raw);
    expect([more.status, more.head.error]).toEqual([400, expect.stringContaining(`exceeds the maximum allowed value of ${most} bytes`)]);
    expect(await isLive()).toBe(true);
  });

  it('JSON and packed bodies know the same limit, the latter by what comes out', async () => {
    const large = JSON.stringify(row(Array.from({ length: most / 2 }, () => 0)));
    expect(await refused('identity-float', large)).toContain('exceeds the maximum allowed value');
    expect(await refused('identity-float', gzipSync(large), { 'content-encoding': 'gzip' })).toContain('the unpacked body exceeds');
    const small = JSON.stringify(row(Array.from({ length: most / 4 }, () => 0)));
    expect((await post(inferUrl('identity-float'), gzipSync(small), { 'content-encoding': 'gzip' })).status).toBe(200);
  });

  it('a shape that asks for more memory than the data holds takes none', async () => {
    expect(await refused('identity-float', { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2 ** 40], data: 'AAAA' }] })).toContain(
      'data is text: a list is expected',
    );
  });
});

describe("Triton's input_validation_test", () => {
  it('test_input_validation_required_missing names what is missing', async () => {
    const [x] = row([1, 2]).inputs;
    expect(await refused('mixed', { inputs: [{ ...x, name: 'a' }] })).toBe('input "b" is missing: INT64 with shape [-1] is expected');
  });

  it('test_input_shape_validation: more bytes than the shape says', async () => {
    const { body, headers } = binaryBody([{ name: 'x', datatype: 'FP32', shape: [1, 8], bytes: new Float32Array(10) }]);
    expect((await postBytes(inferUrl('identity-float'), body, headers)).head.error).toContain(
      'input byte size mismatch for input "x": expected 32, got 40',
    );
  });

  it.each([
    [14, /expected 16 string elements for inference input "x", got 14/],
    [18, /unexpected number of string elements for inference input "x": 16 are expected/],
  ])('test_input_string_shape_validation: %i texts for 16', async (n, message) => {
    const bytes = bytesOf(Array.from({ length: n }, (_, i) => `text ${i}`));
    const { body, headers } = binaryBody([{ name: 'x', datatype: 'BYTES', shape: [1, 16], bytes }]);
    expect((await postBytes(inferUrl('identity-texts'), body, headers)).head.error).toMatch(message);
  });

  it.each([
    '../etc',
    'a/../b',
    '../../etc/passwd',
    'model/..',
    '..',
    '/etc/passwd',
    'model/subdir',
    ' ..',
    '.. ',
    '',
    ' ',
    '\t',
    '\n',
    '...',
  ])('test_model_name_invalid_load: %j', async (name) => {
    const response = await fetch(url(`/v2/repository/models/${encodeURIComponent(name)}/load`), { method: 'POST' });
    // A dot alone may be taken out of the path on the way here: then nothing stands there.
    expect([400, 404]).toContain(response.status);
    expect((await response.json()) as object).toEqual({ error: expect.any(String) });
    expect(await isLive()).toBe(true);
  });

  it.each(['model123', 'model.version1', 'model..1', 'model....1'])('test_model_name_valid: %s fails for what it is', async (name) => {
    const answer = await post<InferAnswer>(url(`/v2/repository/models/${name}/load`), '');
    expect([answer.status, answer.body.error]).toEqual([404, expect.stringContaining('failed to load')]);
  });
});

describe("MLServer's test_endpoints", () => {
  it('test_live, test_ready, test_model_ready', async () => {
    for (const path of ['/v2/health/live', '/v2/health/ready', '/v2/models/identity-float/versions/v1.2.3/ready'])
      expect((await get(url(path))).status).toBe(200);
  });

  it('test_metadata, test_model_metadata, test_docs', async () => {
    expect((await get(url('/v2'))).body).toMatchObject({ name: 'perennial', version: expect.any(String), extensions: expect.any(Array) });
    expect((await get(url('/v2/models/identity-float'))).body).toEqual({
      name: 'identity-float',
      versions: ['v1.2.3'],
      platform: 'onnx_onnxv1',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, -1] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, -1] }],
    });
    expect((await get(url('/openapi.json'))).body).toHaveProperty('openapi');
  });

  it.each(['', '/versions/v1.2.3'])('test_infer%s', async (version) => {
    const answer = await post(url(`/v2/models/identity-float${version}/infer`), row([1, 2, 3]));
    expect(answer.body).toMatchObject({ model_name: 'identity-float', model_version: 'v1.2.3', outputs: [{ data: [1, 2, 3] }] });
  });

  it('test_infer_error, test_infer_invalid_datatype_error (400 here)', async () => {
    const unknown = await post(url('/v2/models/my-model/versions/v0/infer'), row([1]));
    expect([unknown.status, unknown.body.error]).toEqual([404, "Request for unknown model: 'my-model' is not found"]);
    expect(await refused('identity-float', row([1], 'INVALID'))).toContain('has datatype "INVALID": FP32 is expected');
  });

  it('test_model_repository_index, _unload, _load, _load_error', async () => {
    type Entry = { name: string; state: string };
    const states = async () => (await post<Entry[]>(url('/v2/repository/index'), {})).body.filter(({ name }) => name === 'identity-half');
    expect(await states()).toMatchObject([{ state: 'READY' }]);
    // A live model only goes when that is said.
    expect((await post(url('/v2/repository/models/identity-half/unload'), {})).status).toBe(400);
    expect((await post(url('/v2/repository/models/identity-half/unload'), { parameters: { force: true } })).status).toBe(200);
    expect(await states()).toMatchObject([{ state: 'UNAVAILABLE' }]);
    expect((await post(url('/v2/repository/models/identity-half/load'), {})).status).toBe(200);
    expect(await states()).toMatchObject([{ state: 'READY' }]);
    expect((await post(url('/v2/repository/models/my-model/load'), {})).status).toBe(404);
  });
});

describe("KServe's test_server", () => {
  it('test_list_models_v2, test_list_models_v1, test_metrics_v1, test_unknown_path_v1', async () => {
    const models = new Set(['identity-float', 'identity-half', 'identity-text', 'identity-texts', 'identity-cube', 'mixed']);
    for (const path of ['/v2/models', '/v1/models'])
      expect(new Set((await get<{ models: string[] }>(url(path))).body.models)).toEqual(models);
    expect((await get(url('/metrics'))).status).toBe(200);
    expect((await get(url('/unknown_path'))).status).toBe(404);
  });

  it('test_infer_v2 with nested data, test_infer_parameters_v2 (parameters are taken, and not sent back)', async () => {
    const parameters = { 'test-str': 'dummy', 'test-bool': true, 'test-int': 100, 'test-float': 1.3 };
    const body = row([1, 2]);
    const answer = await post(inferUrl('identity-float'), { id: '123', parameters, inputs: [{ ...body.inputs[0], parameters }] });
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.body).toMatchObject({ id: '123', outputs: [{ name: 'y', shape: [1, 2], data: [1, 2] }] });
  });

  it('test_fp16_input_as_binary_data, test_fp16_output_as_binary_data, and neither without', async () => {
    const half = Uint16Array.of(0x46cd, 0x419a, 0x44cd, 0x3d9a);
    const { body, headers } = binaryBody([{ name: 'x', datatype: 'FP16', shape: [1, 4], bytes: half }], {
      parameters: { binary_data_output: true },
    });
    const answer = await postBytes(inferUrl('identity-half'), body, headers);
    expect(answer.bytes['y']).toEqual(Buffer.from(half.buffer));
    expect(await refused('identity-half', row([6.8, 2.8], 'FP16'))).toContain('FP16, which has no JSON form');
  });

  it('test_predict_v1, test_health_handler', async () => {
    expect((await post(url('/v1/models/identity-float:predict'), { instances: [[1, 2]] })).body).toEqual({ predictions: [[1, 2]] });
    expect((await get(url('/v1/models/identity-float'))).body).toMatchObject({ name: 'identity-float', ready: true });
  });

  it('test_model_not_ready_v2', async () => {
    expect((await get(url('/v2/models/unknown/ready'))).status).toBe(503);
  });
});
