import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { InferenceClient, InferenceError } from '../../clients/inference/src/index.js';
import type { ClientOptions, ModelSignature, StreamEvent } from '../../clients/inference/src/index.js';
import type { Gateway } from '../../gateway/gateway.js';
import { openStage, passedThrough } from '../gateway/support/stage.js';

const stage = await openStage();
let gateway: Gateway;
let client: InferenceClient;

const own = (input: string, output: string) => ({ ...passedThrough, onnx: { input, output }, output: { name: output } });
const conformance = (name: string): string => fileURLToPath(new URL(`../conformance/models/${name}.onnx`, import.meta.url));

beforeAll(async () => {
  const models = [
    { model: 'iris', onnx: conformance('iris'), spec: own('measures', 'logits') },
    { model: 'sum-model', onnx: conformance('sum-model'), spec: own('input-0', 'total') },
    { model: 'texts', onnx: 'identity-texts', spec: own('x', 'y') },
    { model: 'half', onnx: 'identity-half', spec: own('x', 'y') },
    { model: 'every-type', onnx: 'every-type', spec: own('float32', 'float32_out') },
    { model: 'failing', onnx: 'failing', spec: own('features', 'prediction') },
    { model: 'demand', onnx: 'linear' },
  ];
  for (const version of models) {
    await stage.addVersion({ version: '1.0.0', ...version });
    stage.registry.setRoute({ model: version.model, variants: [{ version: '1.0.0', weight: 1 }] });
  }
  gateway = await stage.start();
  client = new InferenceClient(gateway.url);
});

const measures = { name: 'measures', datatype: 'FP32', shape: [1, 4], data: [1, 0, 0, 0] } as const;
const failure = async (call: Promise<unknown>): Promise<InferenceError> => {
  const error = await call.then(
    () => expect.fail('it was answered'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(InferenceError);
  return error as InferenceError;
};

describe('the client', () => {
  it('tells health and metadata', async () => {
    expect([await client.isLive(), await client.isReady(), await client.isModelReady('iris')]).toEqual([true, true, true]);
    expect([await client.isModelReady('iris', { version: '1.0.0' }), await client.isModelReady('nobody')]).toEqual([true, false]);
    expect(await client.serverMetadata()).toMatchObject({
      name: 'perennial',
      extensions: expect.arrayContaining(['binary_tensor_data']) as string[],
    });
    expect((await client.modelMetadata('iris')).inputs).toEqual([{ name: 'measures', datatype: 'FP32', shape: [-1, 4] }]);
    expect(await new InferenceClient('http://127.0.0.1:9').isLive()).toBe(false);
  });

  it.each([
    ['binary', { binary: true }],
    ['JSON', { binary: false }],
    ['packed', { gzip: true }],
  ] as [string, ClientOptions][])('asks in %s', async (_, options) => {
    const asked = new InferenceClient(`${gateway.url}/`, options);
    const shape = [500, 4];
    const data = Float32Array.from({ length: 2_000 }, (_value, i) => i / 7);
    const answer = await asked.infer('iris', [{ name: 'measures', datatype: 'FP32', shape, data }], { id: 'call-1' });
    expect(answer).toMatchObject({ id: 'call-1', model: 'iris', version: '1.0.0', variant: 'champion' });
    expect(answer.predictionIds).toHaveLength(500);
    expect(answer.predictionIds[0]).toBe('call-1-0');
    const logits = answer.outputs['logits']!;
    expect([logits.shape, logits.data]).toEqual([[500, 3], expect.any(Float32Array)]);
    expect((await client.infer('iris', [{ name: 'measures', datatype: 'FP32', shape, data }])).outputs['logits']!.data).toEqual(
      logits.data,
    );
  });

  it('keeps every datatype to its extremes', async () => {
    const extremes: Record<string, (number | bigint | boolean)[]> = {
      INT8: [-128, 127],
      INT16: [-32_768, 32_767],
      INT32: [-2_147_483_648, 2_147_483_647],
      INT64: [-(2n ** 63n), 2n ** 63n - 1n],
      UINT8: [0, 255],
      UINT16: [0, 65_535],
      UINT32: [0, 4_294_967_295],
      UINT64: [0n, 2n ** 64n - 1n],
      FP16: [0x3c00, 0x7bff],
      FP32: [-0.5, 3.5],
      FP64: [-0.1, 1e300],
      BOOL: [true, false],
    };
    const signature = await client.modelMetadata('every-type');
    expect(signature.inputs.length).toBeGreaterThan(8);
    const inputs = signature.inputs.map(({ name, datatype }) => ({ name, datatype, shape: [2], data: extremes[datatype]! }));
    const { outputs } = await client.infer('every-type', inputs);
    for (const { name, datatype, data } of inputs) {
      const output = outputs[`${name}_out`]!;
      expect([datatype, output.datatype, Array.from(output.data as ArrayLike<unknown>)]).toEqual([datatype, datatype, data]);
    }
  });

  it('reads 64-bit integers from JSON, and refuses to pass on what JSON rounded', async () => {
    const asked = new InferenceClient(gateway.url, { binary: false });
    const { outputs } = await asked.infer('sum-model', [{ name: 'input-0', datatype: 'INT32', shape: [1, 3], data: [1, 2, 3] }]);
    expect(outputs['total']!.data).toEqual(BigInt64Array.of(6n));
    const rounding = await serve([
      { status: 200, body: '{"model_name":"m","outputs":[{"name":"y","datatype":"INT64","shape":[1],"data":[1152921504606846977]}]}' },
    ]);
    const error = await failure(new InferenceClient(rounding.url, { binary: false }).infer('m', [measures]));
    expect([error.kind, error.message]).toEqual(['protocol', expect.stringContaining('ask for binary tensors')]);
  });

  it('carries FP16 as bits', async () => {
    const bits = Uint16Array.of(0x3c00, 0x7bff);
    const answer = await client.infer('half', [{ name: 'x', datatype: 'FP16', shape: [1, 2], data: bits }]);
    expect(answer.outputs['y']!.data).toEqual(bits);
  });

  it('carries text', async () => {
    const data = ['', 'ünïcode ☃', new TextEncoder().encode('bytes')];
    const { outputs } = await client.infer('texts', [{ name: 'x', datatype: 'BYTES', shape: [1, 3], data }]);
    expect(outputs['y']!.data).toEqual(['', 'ünïcode ☃', 'bytes']);
  });

  it('takes a version, wanted outputs, a sticky key', async () => {
    const answer = await client.infer('iris', [measures], {
      version: '1.0.0',
      outputs: ['logits'],
      stickyKey: 'customer-7',
      parameters: { note: 'x' },
    });
    expect(Object.keys(answer.outputs)).toEqual(['logits']);
  });

  it('streams rows, goes on after one that fails, and can be left', async () => {
    const features = { name: 'features', datatype: 'FP32', shape: [3, 2], data: [1, 0, 500, 0, 2, 0] } as const;
    const events: StreamEvent[] = [];
    for await (const event of client.inferStream('failing', [features])) events.push(event);
    expect(
      events.map((event) =>
        event.kind === 'answer' ? Array.from(event.answer.outputs['prediction']!.data as Float32Array) : event.error.kind,
      ),
    ).toEqual([[2001], 'modelFailed', [2002]]);
    for await (const event of client.inferStream('failing', [features])) {
      expect(event.kind).toBe('answer');
      break;
    }
  });

  it('labels predictions', async () => {
    const question = { hour: [1_317_427_200_000n], a: [1], b: [2] };
    const { predictionIds } = await client.model<ModelSignature>('demand').infer(question);
    expect(
      await client.label('demand', [
        { id: predictionIds[0]!, value: 3 },
        { id: 'nobody', value: 3 },
      ]),
    ).toEqual([{ outcome: 'stored' }, { outcome: 'refused', reason: expect.any(String) as string }]);
  });
});

describe('a server that knows JSON alone', () => {
  const answer = { status: 200, body: '{"model_name":"iris","outputs":[]}' };
  const metadata = (extensions: string[]) => ({ status: 200, body: JSON.stringify({ name: 'some', version: '1', extensions }) });

  it('is asked for its extensions once, and in JSON', async () => {
    const server = await serve([metadata([]), answer, answer]);
    const asked = new InferenceClient(server.url);
    await asked.infer('iris', [measures]);
    await asked.infer('iris', [measures]);
    const [, first, second] = server.bodies.map((body) => body.toString());
    for (const body of [first, second]) expect(JSON.parse(body!)).toMatchObject({ inputs: [{ data: [1, 0, 0, 0] }] });
    expect(server.bodies).toHaveLength(3);
  });

  it('is told from one that has the extension', async () => {
    const server = await serve([metadata(['binary_tensor_data']), answer]);
    await new InferenceClient(server.url).infer('iris', [measures]);
    expect(server.bodies[1]!.toString('latin1')).toContain('"binary_data_size":16');
  });
});

describe('errors', () => {
  it('have a kind, a status and the words of the server', async () => {
    expect(await failure(client.infer('nobody', [measures]))).toMatchObject({
      kind: 'notFound',
      status: 404,
      message: expect.stringContaining('unknown model') as string,
    });
    expect(await failure(client.infer('iris', [{ ...measures, name: 'other' }]))).toMatchObject({ kind: 'invalid', status: 400 });
    const wrong = { name: 'features', datatype: 'FP32', shape: [1, 2], data: [500, 0] } as const;
    expect(await failure(client.infer('failing', [wrong]))).toMatchObject({ kind: 'modelFailed', status: 500 });
  });

  it('are found before anything is sent', async () => {
    expect((await failure(client.infer('iris', [{ ...measures, shape: [2, 4] }]))).message).toContain('has 4 elements: shape [2,4] has 8');
    const ints = { name: 'x', datatype: 'INT8', shape: [1], data: [128] } as const;
    expect((await failure(client.infer('iris', [ints]))).message).toContain('a whole number from -128 to 127 is expected');
    const model = client.model<ModelSignature>('iris');
    expect((await failure(model.infer({ other: [1] }))).message).toContain('takes no input "other": measures are its inputs');
    expect((await failure(model.infer({}))).message).toContain('input "measures" is missing');
    expect((await failure(model.infer({ measures: [1, 2, 3] }))).message).toContain('3 elements, which do not fill shape [-1,4]');
  });

  it('tell who is away, what is no inference server, and what was cancelled', async () => {
    const away = new InferenceClient('http://127.0.0.1:9', { retries: 0 });
    expect((await failure(away.infer('iris', [measures]))).kind).toBe('unreachable');
    const other = await serve([{ status: 200, body: '<html>' }]);
    expect((await failure(new InferenceClient(other.url).infer('iris', [measures]))).kind).toBe('protocol');
    expect((await failure(client.infer('iris', [measures], { signal: AbortSignal.abort() }))).kind).toBe('cancelled');
  });

  it('tell what came too late', async () => {
    const silent = await serve([]);
    expect((await failure(new InferenceClient(silent.url).infer('iris', [measures], { timeoutMs: 50 }))).kind).toBe('timeout');
  });
});

describe('a second try', () => {
  const good = { status: 200, body: '{"model_name":"iris","outputs":[]}' };
  const quick = { retryBaseMs: 1, retryMaxMs: 2, binary: true };

  it('is made after 429 and 503, with the same id', async () => {
    const server = await serve([{ status: 503, body: '{"error":"full"}', retryAfter: '0' }, { status: 429, body: '' }, good]);
    await new InferenceClient(server.url, { ...quick, binary: false }).infer('iris', [measures]);
    const ids = server.bodies.map(
      (body) => (JSON.parse(body.toString()) as { parameters: { prediction_id: string } }).parameters.prediction_id,
    );
    expect([ids.length, new Set(ids).size]).toEqual([3, 1]);
  });

  it('is made as often as asked, and not for what will not change', async () => {
    const full = { status: 503, body: '{"error":"full"}' };
    const busy = await serve([full, full, full, full]);
    const error = await failure(new InferenceClient(busy.url, { ...quick, retries: 1 }).infer('iris', [measures]));
    expect([error.kind, error.message, busy.bodies.length]).toEqual(['unavailable', 'full', 2]);
    const wrong = await serve([{ status: 400, body: '{"error":"no"}' }, good]);
    expect((await failure(new InferenceClient(wrong.url, quick).infer('iris', [measures]))).message).toBe('no');
    expect(wrong.bodies).toHaveLength(1);
  });

  it('is not made where Retry-After lies beyond the time of the call', async () => {
    const server = await serve([{ status: 503, body: '{"error":"later"}', retryAfter: '3600' }, good]);
    const error = await failure(new InferenceClient(server.url, quick).infer('iris', [measures]));
    expect([error.retryAfterMs, server.bodies.length]).toEqual([3_600_000, 1]);
  });

  it('sends packed bodies that can be unpacked', async () => {
    const server = await serve([good]);
    const data = new Float32Array(4_000);
    await new InferenceClient(server.url, { gzip: true, binary: true }).infer('iris', [{ ...measures, shape: [1_000, 4], data }]);
    expect(gunzipSync(server.bodies[0]!).length).toBeGreaterThan(16_000);
  });
});

type Scripted = { readonly status: number; readonly body: string; readonly retryAfter?: string };

/** A server that gives these answers one after the other, and none when they are used up. */
async function serve(answers: Scripted[]) {
  const bodies: Buffer[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      bodies.push(Buffer.concat(pieces));
      const answer = answers[bodies.length - 1];
      if (answer === undefined) return;
      response.writeHead(answer.status, answer.retryAfter === undefined ? {} : { 'retry-after': answer.retryAfter });
      response.end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies };
}
