import { deflateSync, gzipSync } from 'node:zlib';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openFileNamedObjects } from '../../adapters/named-objects/file-named-objects.js';
import { openTracer } from '../../workers/telemetry.js';
import { ask, get, pairs, until } from './support/requests.js';
import { openStage } from './support/stage.js';
import { TraceCollector } from './support/trace-collector.js';

const stage = await openStage();
await stage.addFixture('mixed');
await stage.addLive({ model: 'demand', version: '1.0.0', onnx: 'linear' });
const collector = await new TraceCollector().open();
const traces = openTracer({ service: 'perennial-gateway', otlpEndpoint: collector.url })!;
afterAll(() => traces.close());
const gateway = await stage.start(
  {},
  { named: openFileNamedObjects(join(stage.folder, 'async')), tracing: { tracer: traces.tracer, ratio: 0 } },
);

async function nextGoodRequestIsAnswered(): Promise<void> {
  expect(await ask(gateway, 'demand', [3, 4])).toMatchObject({ status: 200, body: { outputs: [{ data: [43] }] } });
}

async function send(path: string, body: string | Uint8Array, headers: Record<string, string> = {}) {
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
  return { status: response.status, text: await response.text() };
}

const good = JSON.stringify(pairs([[1, 2]]));
const nested = (depth: number, [open, close] = ['[', ']']) => open!.repeat(depth) + close!.repeat(depth);

/** Routes that read a JSON body, and those that take what they do not know in one. */
const lenient = ['/v2/repository/index', '/v2/repository/models/demand/load', '/v2/repository/models/demand/versions/1.0.0/load'];
const readers = [
  ...lenient,
  '/v2/models/demand/infer',
  '/v2/models/demand/versions/1.0.0/infer',
  '/v2/models/mixed/infer',
  '/v2/models/demand/infer_stream',
  '/v2/models/demand/generate',
  '/v2/models/demand/generate_stream',
  '/v2/models/demand/jobs',
  '/v2/models/demand/labels',
  '/v1/models/demand:predict',
  '/endpoints/demand/invocations',
  '/endpoints/demand/invocations-response-stream',
  '/v2/repository/models/demand/unload',
  '/v2/logging',
  '/v2/trace/setting',
];

function attacksOn(path: string): [string, string][] {
  const field = path.startsWith('/v1') || path.startsWith('/endpoints') ? 'instances' : path.endsWith('labels') ? 'labels' : 'inputs';
  return [
    ['lists in lists, 100,000 deep', `{"${field}":${nested(100_000)}}`],
    ['lists in lists, 250,000 deep, that never close', '['.repeat(250_000)],
    ['objects in objects, 100,000 deep', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
    ['closing brackets alone', ']'.repeat(100_000)],
    ['an object cut off', `{"${field}":[{"name":"a"`],
    ['a text cut off', `{"${field}":"`],
    ['a text cut off after a backslash', `{"${field}":"\\`],
    ['a null byte', `{"${field}":[\0]}`],
    ['a lone surrogate in the place of a name', `{"\\ud800":1,"${field}":[{"name":"\\udfff"}]}`],
    ['NaN', `{"${field}":[NaN]}`],
    ['a number of 100,000 digits', `{"${field}":[${'9'.repeat(100_000)}]}`],
    ['a name of 100,000 characters', `{"${field}":[{"name":"${'x'.repeat(100_000)}"}]}`],
    ['__proto__ as the whole', `{"__proto__":{"${field}":[1]}}`],
    ['constructor as the whole', `{"constructor":{"prototype":{"polluted":true}}}`],
    ['text', '"text"'],
    ['a number', '1e400'],
    ['a byte order mark alone', '\ufeff'],
  ];
}

describe.each(readers)('POST %s', (path) => {
  test.each(attacksOn(path))('%s', async (_, body) => {
    const answer = await send(path, body);
    expect(answer.text).not.toContain('RangeError');
    const isRefused = (status: number) => (status === 200 && lenient.includes(path)) || (status >= 400 && status < 500);
    expect([answer.status, answer.text.slice(0, 200)]).toEqual([expect.toSatisfy(isRefused), expect.anything()]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    await nextGoodRequestIsAnswered();
  });
});

// What is handed in to be answered later is only read then: the call is taken, and its job fails.
describe('POST /endpoints/demand/async-invocations', () => {
  const path = '/endpoints/demand/async-invocations';
  test.each(attacksOn(path))('%s', async (_, body) => {
    const answer = await send(path, body, { 'x-amzn-sagemaker-content-type': 'application/json' });
    expect([answer.status, answer.text.slice(0, 200)]).toEqual([body.length > 128_000 ? 400 : 202, expect.anything()]);
    if (answer.status === 202) {
      const { InferenceId: id } = JSON.parse(answer.text) as { InferenceId: string };
      let job = { state: '', error: '' };
      await until(async () => ['succeeded', 'failed'].includes((job = (await get<typeof job>(`${gateway.url}/v2/jobs/${id}`)).body).state));
      expect(job.state).toBe('failed');
      expect(job.error).not.toContain('RangeError');
    }
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    await nextGoodRequestIsAnswered();
  });
});

describe('names that are given twice, or mean something to JavaScript', () => {
  test.each([
    ['inputs twice', good.replace('{"inputs"', '{"inputs":[],"inputs"'), 400],
    ['data twice', good.replace('"data":[1]', '"data":[5],"data":[1]'), 400],
    ['__proto__ beside the inputs', good.replace('{"inputs"', '{"__proto__":{"id":"x"},"inputs"'), 200],
    ['__proto__ in an input', good.replace('"name":"a"', '"__proto__":{"data":[7]},"name":"a"'), 200],
    ['__proto__ for the data', good.replace('"data":[1]', '"__proto__":{"data":[1]}'), 400],
    ['__proto__ in the parameters', good.replace('{"inputs"', '{"parameters":{"__proto__":"x"},"inputs"'), 200],
    ['an input that is called constructor', good.replace('"name":"a"', '"name":"constructor"'), 400],
    ['an output that is called toString', good.replace('{"inputs"', '{"outputs":[{"name":"toString"}],"inputs"'), 400],
  ])('%s', async (...[, body, status]) => {
    const answer = await send('/v2/models/demand/infer', body);
    expect([answer.status, answer.text.slice(0, 200)]).toEqual([status, expect.anything()]);
    expect(({} as { id?: string; data?: unknown }).id).toBeUndefined();
    await nextGoodRequestIsAnswered();
  });
});

describe('binary tensors that do not add up', () => {
  const a = new Uint8Array(new Float32Array([1, 2]).buffer);
  const request = (size: unknown, more: Record<string, unknown> = {}) =>
    JSON.stringify({
      inputs: [
        { name: 'a', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: size }, ...more },
        { name: 'b', datatype: 'INT64', shape: [1], data: [1] },
        { name: 'flag', datatype: 'BOOL', shape: [1], data: [true] },
        { name: 'word', datatype: 'BYTES', shape: [1], data: ['x'] },
      ],
    });
  const headed = (head: string, bytes: Uint8Array, length: string = String(Buffer.byteLength(head))) =>
    [Buffer.concat([Buffer.from(head), bytes]), { 'inference-header-content-length': length }] as const;

  test('those that do are answered', async () => {
    expect((await send('/v2/models/mixed/infer', ...headed(request(8), a))).status).toBe(200);
  });

  test.each([
    ['a size below zero', headed(request(-8), a)],
    ['a size that is text', headed(request('8'), a)],
    ['a size that is broken', headed(request(7.5), a)],
    ['a size beyond what there is', headed(request(16), a)],
    ['a size beyond 2^53', headed(request(Number.MAX_SAFE_INTEGER + 1), a)],
    ['a size below what there is', headed(request(4), a)],
    ['bytes that nobody asked for', headed(request(8), Buffer.concat([a, a]))],
    ['no bytes', headed(request(8), new Uint8Array())],
    ['data and bytes', headed(request(8, { data: [1, 2] }), a)],
    ['a shape that overflows', headed(request(8, { shape: [2 ** 32, 2 ** 31] }), a)],
    ['a shape below zero', headed(request(8, { shape: [-1, 2] }), a)],
    ['a dtype of another size', headed(request(8, { datatype: 'FP64' }), a)],
    ['a dtype that is none', headed(request(8, { datatype: 'FP128' }), a)],
    ['NaN', headed(request(8), new Uint8Array(new Float32Array([Number.NaN, 1]).buffer))],
    ['infinity', headed(request(8), new Uint8Array(new Float32Array([1, -Infinity]).buffer))],
    ['a head longer than the body', headed(request(8), a, '100000')],
    ['a head of one byte', headed(request(8), a, '1')],
    ['a head below zero', headed(request(8), a, '-1')],
    ['a head that is text', headed(request(8), a, 'all')],
    ['a head in hexadecimal', headed(request(8), a, '0x10')],
    ['a head beyond 2^64', headed(request(8), a, '99999999999999999999')],
    ['a head that is empty', headed(request(8), a, '')],
    ['a raw body for a model of several inputs', headed(request(8), a, '0')],
  ])('%s', async (_, [body, headers]) => {
    const answer = await send('/v2/models/mixed/infer', body, headers);
    expect([answer.status, answer.text.slice(0, 200)]).toEqual([400, expect.anything()]);
    await nextGoodRequestIsAnswered();
  });

  test.each([
    ['a length beyond the element', [0xff, 0xff, 0xff, 0x7f, 0x78]],
    ['a length of 2^32 - 1', [0xff, 0xff, 0xff, 0xff, 0x78]],
    ['half a length', [0x01, 0x00]],
    ['two elements for one', [0x01, 0, 0, 0, 0x78, 0x01, 0, 0, 0, 0x78]],
    ['text that is no UTF-8', [0x02, 0, 0, 0, 0xff, 0xfe]],
  ])('BYTES with %s', async (_, bytes) => {
    const head = JSON.stringify({
      inputs: [
        { name: 'word', datatype: 'BYTES', shape: [1], parameters: { binary_data_size: bytes.length } },
        { name: 'a', datatype: 'FP32', shape: [1, 2], data: [1, 2] },
        { name: 'b', datatype: 'INT64', shape: [1], data: [1] },
        { name: 'flag', datatype: 'BOOL', shape: [1], data: [true] },
      ],
    });
    const answer = await send('/v2/models/mixed/infer', ...headed(head, Uint8Array.from(bytes)));
    expect([answer.status, answer.text.slice(0, 200)]).toEqual([400, expect.anything()]);
    await nextGoodRequestIsAnswered();
  });
});

describe('packed bodies', () => {
  test.each([
    ['a bomb of gzip', gzipSync(Buffer.alloc(200 * 1024 * 1024)), 'gzip'],
    ['a bomb of deflate', deflateSync(Buffer.alloc(200 * 1024 * 1024, 0x20)), 'deflate'],
    ['a bomb in a bomb', gzipSync(gzipSync(Buffer.alloc(64 * 1024 * 1024))), 'gzip'],
    ['many small parts', Buffer.concat(Array.from({ length: 100_000 }, () => gzipSync(''))), 'gzip'],
    ['gzip cut off', gzipSync(good).subarray(0, 40), 'gzip'],
    ['gzip with a wrong sum', Buffer.concat([gzipSync(good).subarray(0, -8), Buffer.alloc(8)]), 'gzip'],
    ['no gzip', Buffer.from(good), 'gzip'],
    ['nothing', Buffer.alloc(0), 'gzip'],
  ])('%s', async (_, body, encoding) => {
    const answer = await send('/v2/models/demand/infer', body, { 'content-encoding': encoding });
    expect([answer.status, answer.text.slice(0, 200)]).toEqual([400, expect.anything()]);
    await nextGoodRequestIsAnswered();
  });

  test('bombs at once are refused each, and nothing of them stays', async () => {
    const bomb = gzipSync(Buffer.alloc(60 * 1024 * 1024, 0x20));
    const bombs = Array.from({ length: 6 }, () => send('/v2/models/demand/infer', bomb, { 'content-encoding': 'gzip' }));
    for (const { status } of await Promise.all(bombs)) expect([400, 503]).toContain(status);
    expect(await (await fetch(`${gateway.url}/metrics`)).text()).toContain('\ngateway_body_bytes 0\n');
    await nextGoodRequestIsAnswered();
  });
});
