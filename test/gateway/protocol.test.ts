import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { bounded, serveDemand } from './support/demand.js';
import { ask, get, pairs, post } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;

beforeAll(async () => {
  await stage.addFixture('mixed');
  gateway = await serveDemand(stage, {}, bounded);
});

describe('inference by the Open Inference Protocol', () => {
  it('answers one row, says who answered, and always sends an id', async () => {
    const { status, body } = await ask(gateway, 'demand', [3, 4]);
    expect(status).toBe(200);
    expect(body.outputs).toEqual([{ name: 'value', shape: [1], datatype: 'FP32', data: [43] }]);
    expect(body).toMatchObject({
      model_name: 'demand',
      model_version: '1.0.0',
      parameters: { variant: 'champion', model_version: '1.0.0' },
    });
    expect(body.parameters.prediction_ids).toMatch(/^[\w-]{8,}$/);
    expect(body.id).toBe(body.parameters.prediction_ids);
  });

  it('answers many rows in order, flat or nested, with one prediction id each', async () => {
    const rows = Array.from({ length: 500 }, (_, i): [number, number] => [i, 1]);
    const { body } = await post(`${gateway.url}/v2/models/demand/infer`, pairs(rows, { id: 'call "7"' }));
    expect(body.id).toBe('call "7"');
    expect(body.outputs[0]).toMatchObject({ shape: [500], data: rows.map(([a]) => a + 10) });
    expect(new Set(body.parameters.prediction_ids.split(',')).size).toBe(500);
  });

  it('keeps predictions within the bounds of the definition', async () => {
    expect((await ask(gateway, 'demand', [-500, 1])).body.outputs[0]!.data).toEqual([0]);
  });

  it("takes the caller's prediction id", async () => {
    const one = await post(`${gateway.url}/v2/models/demand/infer`, pairs([[1, 1]], { parameters: { prediction_id: 'order-17' } }));
    expect(one.body.parameters.prediction_ids).toBe('order-17');
    const two = await post(
      `${gateway.url}/v2/models/demand/infer`,
      pairs(
        [
          [1, 1],
          [2, 2],
        ],
        { parameters: { prediction_id: 'order-18' } },
      ),
    );
    expect(two.body.parameters.prediction_ids).toBe('order-18-0,order-18-1');
  });

  it('answers from the version that the path names, whatever the weights', async () => {
    const { body } = await post(`${gateway.url}/v2/models/demand/versions/1.0.1/infer`, pairs([[3, 4]]));
    expect(body).toMatchObject({ model_version: '1.0.1', parameters: { variant: 'standby' }, outputs: [{ data: [1043] }] });
    const unknown = await post(`${gateway.url}/v2/models/demand/versions/9.9.9/infer`, pairs([[3, 4]]));
    expect(unknown.status).toBe(404);
    expect(unknown.body.error).toContain("version '9.9.9' is not loaded; loaded are 1.0.0, 1.0.1");
  });

  it('passes tensors of several types straight through where the package has no features', async () => {
    const { status, body } = await post(`${gateway.url}/v2/models/mixed/infer`, {
      inputs: [
        { name: 'word', datatype: 'BYTES', shape: [2], data: ['drei', '"vier"'] },
        {
          name: 'a',
          datatype: 'FP32',
          shape: [2, 2],
          data: [
            [1, 2],
            [3, 4],
          ],
        },
        { name: 'b', datatype: 'INT64', shape: [2], data: [10, 9007199254740991] },
        { name: 'flag', datatype: 'BOOL', shape: [2], data: [true, false] },
      ],
    });
    expect(status).toBe(200);
    expect(Object.fromEntries(body.outputs.map((output) => [output.name, output.data]))).toEqual({
      total: [13, 9007199254740992],
      count: [10, 9007199254740991],
      opposite: [false, true],
      echo: ['drei', '"vier"'],
    });
  });

  it('answers only the outputs that are asked for', async () => {
    const { body } = await post(`${gateway.url}/v2/models/mixed/infer`, {
      outputs: [{ name: 'echo' }],
      inputs: [
        { name: 'word', datatype: 'BYTES', shape: [1], data: ['x'] },
        { name: 'a', datatype: 'FP32', shape: [1, 2], data: [1, 2] },
        { name: 'b', datatype: 'INT64', shape: [1], data: [1] },
        { name: 'flag', datatype: 'BOOL', shape: [1], data: [true] },
      ],
    });
    expect(body.outputs).toEqual([{ name: 'echo', shape: [1], datatype: 'BYTES', data: ['x'] }]);
  });
});

describe('what a client reads before it asks', () => {
  it.each([
    ['/v2', { name: 'perennial', extensions: expect.arrayContaining(['parameters', 'binary_tensor_data', 'statistics']) }],
    ['/v2/', { name: 'perennial' }],
    ['/', { status: 'alive' }],
    ['/v2/health/live', { live: true }],
    ['/v2/health/ready', { ready: true, live: true }],
    ['/v2/health/ready?test_1=1', { ready: true }],
    ['/v2/models', { models: ['mixed', 'demand'] }],
    ['/v2/models/demand/ready', { name: 'demand', ready: true }],
    ['/v2/models/demand/versions/1.0.1/ready', { name: 'demand', ready: true }],
    [
      '/v2/models/demand',
      {
        name: 'demand',
        versions: ['1.0.0', '1.0.1'],
        platform: 'onnx_onnxv1',
        inputs: [
          { name: 'hour', datatype: 'INT64', shape: [-1] },
          { name: 'a', datatype: 'FP64', shape: [-1] },
          { name: 'b', datatype: 'FP64', shape: [-1] },
        ],
        outputs: [{ name: 'value', datatype: 'FP32', shape: [-1] }],
      },
    ],
    [
      '/v2/models/demand/route',
      { model: 'demand', generation: 1, variants: [{ version: '1.0.0', weight: 1 }], shadow: null, standby: ['1.0.1'] },
    ],
  ])('%s', async (path, expected) => {
    const { status, body } = await get(gateway.url + path);
    expect(status).toBe(200);
    expect(body).toMatchObject(expected);
  });

  it('says 503 for a model that is not ready and 404 for metadata of an unknown one', async () => {
    expect(await get(`${gateway.url}/v2/models/nothing/ready`)).toMatchObject({ status: 503, body: { name: 'nothing', ready: false } });
    const metadata = await get<{ error: string }>(`${gateway.url}/v2/models/nothing`);
    expect(metadata.status).toBe(404);
    expect(metadata.body.error).toMatch(/^Request for unknown model/);
  });

  it('tells Prometheus the latency, count and errors of each version', async () => {
    await ask(gateway, 'demand', [1, 1]);
    await ask(gateway, 'demand', [5000, 1]);
    const { body } = await get<string>(`${gateway.url}/metrics`);
    expect(body).toMatch(/model_prediction_latency_seconds_bucket\{le="0.01",model_name="demand",version="1.0.0"\} \d/);
    expect(body).toMatch(/model_predictions_total\{model_name="demand",version="1.0.0"\} [1-9]/);
    expect(body).toMatch(/model_prediction_errors_total\{model_name="demand",version="1.0.0",error_type="invalidRequest"\} [1-9]/);
    expect(body).toContain('gateway_captures_dropped_total 0');
  });
});

describe('invocations as SageMaker has them', () => {
  const invoke = (body: unknown, headers: Record<string, string> = {}) =>
    post<Record<string, unknown>>(`${gateway.url}/endpoints/demand/invocations`, body, headers);

  it('takes an Open Inference Protocol body', async () => {
    const { status, headers, body } = await invoke(pairs([[3, 4]]), { 'X-Amzn-SageMaker-Inference-Id': 'trip-1' });
    expect(status).toBe(200);
    expect(headers.get('x-amzn-invoked-production-variant')).toBe('champion');
    expect(body).toMatchObject({ outputs: [{ data: [43] }], parameters: { prediction_ids: 'trip-1' } });
  });

  it('takes instances as objects, lists, and answers predictions', async () => {
    const instances = [{ hour: 0, a: 1, b: 2 }, [3_600_000, 3, 4]];
    expect((await invoke({ instances })).body).toEqual({ predictions: [21, 43] });
    expect((await invoke({ instances: [{ hour: 0, a: 1 }] })).body).toMatchObject({
      ErrorCode: 'ValidationError',
      message: 'instances[0].b is missing: FP64 is expected',
    });
  });

  it('takes CSV, with or without a header, and answers CSV', async () => {
    const csv = { 'content-type': 'text/csv' };
    expect((await invoke('0,1,2\n3600000,"3",4\n', csv)).body).toBe('21\n43\n');
    expect((await invoke('hour,a,b\r\n0,1,2', csv)).body).toBe(21);
    expect((await invoke('0,1,2', { ...csv, accept: 'application/json' })).body).toEqual({ predictions: [21] });
    expect(await invoke('0,1', csv)).toMatchObject({ status: 400, body: { message: 'row 0 has 2 values: 3 are expected (hour, a, b)' } });
    expect(await invoke('0,x,1', csv)).toMatchObject({ status: 400 });
    expect(await invoke('0,"1,1', csv)).toMatchObject({ status: 400 });
  });

  it('goes to the variant that the caller names', async () => {
    const named = await invoke({ instances: [[0, 3, 4]] }, { 'X-Amzn-SageMaker-Target-Variant': '1.0.1' });
    expect(named.body).toEqual({ predictions: [1043] });
    expect(named.headers.get('x-perennial-version')).toBe('1.0.1');
    expect(await invoke({ instances: [[0, 3, 4]] }, { 'X-Amzn-SageMaker-Target-Variant': 'blue' })).toMatchObject({
      status: 400,
      body: { ErrorCode: 'ValidationError' },
    });
  });

  it('says what is wrong as SageMaker does', async () => {
    const unknown = await post<Record<string, unknown>>(`${gateway.url}/endpoints/nothing/invocations`, { instances: [[1]] });
    expect(unknown.status).toBe(400);
    expect(unknown.headers.get('x-amzn-errortype')).toBe('ValidationError');
    expect((await invoke('{', {})).body).toMatchObject({ ErrorCode: 'ValidationError' });
    expect((await invoke('<a/>', { 'content-type': 'application/xml' })).status).toBe(400);
  });
});
