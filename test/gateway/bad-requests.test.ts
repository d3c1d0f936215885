import { connect } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { ask, pairs, post } from './support/requests.js';
import type { InferAnswer } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;
let url: string;

beforeAll(async () => {
  await stage.addFixture('mixed');
  gateway = await stage.serve(
    [{ model: 'demand', version: '1.0.0', onnx: 'linear' }],
    {},
    { requestTimeoutMs: 1_500, headersTimeoutMs: 1_000 },
  );
  url = `${gateway.url}/v2/models/demand/infer`;
});

/** The good request with one input changed. */
function changed(name: string, change: Record<string, unknown>): unknown {
  const request = pairs([[1, 2]]) as { inputs: Record<string, unknown>[] };
  return { inputs: request.inputs.map((input) => (input['name'] === name ? { ...input, ...change } : input)) };
}

async function nextGoodRequestIsAnswered(): Promise<void> {
  expect(await ask(gateway, 'demand', [3, 4])).toMatchObject({ status: 200, body: { outputs: [{ data: [43] }] } });
}

const good = pairs([[1, 2]]) as { inputs: Record<string, unknown>[] };
const deep = (depth: number): string => `{"inputs":${'['.repeat(depth)}${']'.repeat(depth)}}`;

const cases: [string, unknown, RegExp][] = [
  ['no body', '', /no body/],
  ['not JSON', '{"inputs":[', /not JSON/],
  ['a list', [], /the request is a list: a JSON object/],
  ['null', 'null', /the request is null/],
  ['no inputs', {}, /inputs is missing/],
  ['empty inputs', { inputs: [] }, /inputs is empty/],
  ['an input that is no object', { inputs: [7] }, /inputs\[0\] is a number/],
  ['an id that is no text', { ...good, id: 7 }, /id is a number: text/],
  ['parameters that are no object', { ...good, parameters: [] }, /parameters is a list/],
  ['a parameter that is an object', { ...good, parameters: { x: {} } }, /parameters.x is an object/],
  ['a prediction id with a quote', { ...good, parameters: { prediction_id: 'a"b' } }, /prediction_id must be/],
  ['a long key', { ...good, parameters: { key: 'k'.repeat(600) } }, /key has 600 characters/],
  ['a missing field', { inputs: good.inputs.slice(0, 2) }, /input "b" is missing: FP64 with shape \[rows\]/],
  [
    'an unknown field',
    { inputs: [...good.inputs, { name: 'c', datatype: 'FP32', shape: [1], data: [1] }] },
    /input "c" is not known: the model takes hour, a, b/,
  ],
  [
    'the field __proto__',
    { inputs: [...good.inputs, { name: '__proto__', datatype: 'FP32', shape: [1], data: [1] }] },
    /"__proto__" is not known/,
  ],
  ['a field twice', { inputs: [...good.inputs, good.inputs[0]] }, /input "hour" is given twice/],
  ['no data', changed('a', { data: undefined }), /inputs\[1\].data \("a"\) is missing/],
  ['announced binary data', changed('a', { data: undefined, parameters: { binary_data_size: 8 } }), /announced as binary/],
  ['a wrong dtype', changed('a', { datatype: 'INT32' }), /input "a" has datatype "INT32": FP64 is expected/],
  ['an unknown dtype', changed('a', { datatype: 'FLOAT' }), /datatype "FLOAT"/],
  ['a wrong shape', changed('a', { shape: [1, 2], data: [1, 2] }), /input "a" has shape \[1,2\]: \[rows\] or \[rows,1\]/],
  ['no dimension', changed('a', { shape: [], data: 1 }), /has shape \[\]/],
  ['a shape of text', changed('a', { shape: ['1'] }), /shape \("a"\) holds "1"/],
  ['a negative shape', changed('a', { shape: [-1] }), /holds -1/],
  ['a broken shape', changed('a', { shape: [1.5] }), /holds 1.5/],
  ['a shape that overflows', changed('a', { shape: [2 ** 31, 2 ** 31, 2 ** 31] }), /more elements than can be counted/],
  [
    'a large shape without the data',
    changed('hour', { shape: [1_000_000_000] }),
    /data has 1 elements, shape \[1000000000\] needs 1000000000/,
  ],
  ['too few elements', changed('a', { data: [] }), /data has 0 elements, shape \[1\] needs 1/],
  ['too many elements', changed('a', { data: [1, 2] }), /data has 2 elements/],
  ['other rows than the rest', changed('a', { shape: [2], data: [1, 2] }), /input "a" has 2 rows, "hour" has 1/],
  ['no rows', { inputs: good.inputs.map((input) => ({ ...input, shape: [0], data: [] })) }, /no rows/],
  ['ragged nesting', changed('b', { shape: [1, 1], data: [[1, 2]] }), /data has 2 elements at depth 1/],
  ['nesting that is too shallow', changed('hour', { shape: [2, 1], data: [[1], 2] }), /data holds a number at depth 1/],
  ['data that is no list', changed('a', { data: 7 }), /data is a number: a list/],
  ['text for a number', changed('a', { data: ['7'] }), /input "a", row 0, is text: a finite number/],
  ['null for a number', changed('a', { data: [null] }), /is null: a finite number/],
  ['true for a number', changed('a', { data: [true] }), /is a boolean/],
  ['a list for a number', changed('a', { data: [[7]] }), /depth|is a list/],
  ['an infinity', JSON.stringify(good).replace('"data":[1]', '"data":[1e999]'), /is Infinity: a finite number/],
  ['NaN', JSON.stringify(good).replace('"data":[1]', '"data":[NaN]'), /not JSON/],
  ['below the least', changed('a', { data: [-1001] }), /input "a", row 0, is -1001: at least -1000/],
  ['above the most', changed('a', { data: [1001] }), /is 1001: at most 1000/],
  ['INT64 beyond 2^53', JSON.stringify(changed('hour', { data: [0] })).replace('"data":[0]', '"data":[9007199254740993]'), /within 2\^53/],
  ['a broken INT64', changed('hour', { data: [1.5] }), /input "hour", row 0, is 1.5: a whole number/],
  ['an unknown output', { ...good, outputs: [{ name: 'nothing' }] }, /output "nothing" is not known: the model answers value/],
  ['an output twice', { ...good, outputs: [{ name: 'value' }, { name: 'value' }] }, /asked for twice/],
  ['outputs that are no list', { ...good, outputs: 'value' }, /outputs is text/],
  ['nesting of 101', deep(100), /nesting depth exceeds maximum allowed limit \(100\)/],
  ['nesting of 100,000', deep(100_000), /nesting depth exceeds/],
  ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), /UTF-8/],
];

describe('a request that breaks the protocol or the signature', () => {
  it.each(cases)('%s', async (_, body, message) => {
    const answer = await post<InferAnswer>(url, body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatch(message);
    await nextGoodRequestIsAnswered();
  });

  it('nesting within the limit is no error of its own', async () => {
    const filler = `${'['.repeat(90)}${']'.repeat(90)}`;
    const body = JSON.stringify(good).replace(/^\{/, `{"comment":${filler},"text":"${'[{'.repeat(200)}",`);
    expect((await post(url, body)).status).toBe(200);
  });

  it.each([
    [
      'a wrong fixed dimension',
      { name: 'a', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] },
      /input "a" has shape \[1,3\]: \[-1,2\] is expected/,
    ],
    ['FP32 beyond its range', { name: 'a', datatype: 'FP32', shape: [1, 2], data: [1, 1e39] }, /element 1, is 1e\+39/],
    ['FP16 in JSON', { name: 'a', datatype: 'FP16', shape: [1, 2], data: [1, 2] }, /datatype "FP16": FP32/],
  ])('of a model without features: %s', async (_, input, message) => {
    const rest = [
      { name: 'b', datatype: 'INT64', shape: [1], data: [1] },
      { name: 'flag', datatype: 'BOOL', shape: [1], data: [true] },
      { name: 'word', datatype: 'BYTES', shape: [1], data: ['x'] },
    ];
    const answer = await post(`${gateway.url}/v2/models/mixed/infer`, { inputs: [input, ...rest] });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatch(message);
    expect(
      (
        await post(`${gateway.url}/v2/models/mixed/infer`, {
          inputs: [{ name: 'a', datatype: 'FP32', shape: [1, 2], data: [1, 2] }, ...rest],
        })
      ).status,
    ).toBe(200);
  });

  it('INT64 beyond its 64 bits is refused, not wrapped', async () => {
    const body = `{"inputs":[{"name":"b","datatype":"INT64","shape":[1],"data":[-9223372036854775809]},{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,2]},{"name":"flag","datatype":"BOOL","shape":[1],"data":[true]},{"name":"word","datatype":"BYTES","shape":[1],"data":["x"]}]}`;
    expect(await post(`${gateway.url}/v2/models/mixed/infer`, body)).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(/input "b", element 0/) },
    });
  });

  it('a body over 64 MiB is refused and not kept', async () => {
    const answer = await post<InferAnswer>(url, Buffer.alloc(64 * 1024 * 1024 + 1, 0x20));
    expect(answer.status).toBe(400);
    expect(answer.body.error).toContain('exceeds the maximum allowed value of 67108864 bytes');
    await nextGoodRequestIsAnswered();
  });

  it.each([
    ['an encoding that is not taken', { 'content-encoding': 'br' }, 415],
    ['a head that ends within the JSON', { 'inference-header-content-length': '10' }, 400],
  ])('%s', async (_, headers, status) => {
    expect((await post(url, good, headers)).status).toBe(status);
    await nextGoodRequestIsAnswered();
  });
});

describe('a path or a method that is not there', () => {
  it.each([
    ['GET', '/v2/models/demand/infer', 405],
    ['DELETE', '/v2/models/demand', 405],
    ['GET', '/v2/captures/flush', 405],
    ['GET', '//', 404],
    ['POST', '/', 405],
    ['GET', '/v2/nothing', 404],
    ['GET', '/v2/health/else', 404],
    ['GET', `/v2/health/ready${'/ready'.repeat(500)}`, 404],
    ['POST', '/v2/models/demand/infer/more', 404],
    ['POST', '/v2/models/..%2f..%2fetc/infer', 400],
    ['POST', '/v2/models//infer', 400],
    ['POST', '/v2/models/%ff/infer', 400],
    ['POST', `/v2/models/${'m'.repeat(200)}/infer`, 400],
    ['POST', '/v2/models/unknown/infer', 404],
  ])('%s %s', async (method, path, status) => {
    const response = await fetch(gateway.url + path, { method, ...(method === 'POST' ? { body: JSON.stringify(good) } : {}) });
    expect(response.status).toBe(status);
    expect(((await response.json()) as InferAnswer).error).toBeTypeOf('string');
    await nextGoodRequestIsAnswered();
  });
});

describe('bytes on the wire', () => {
  const send = (parts: readonly string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(gateway.url);
      const socket = connect(Number(port), hostname);
      let answer = '';
      socket.on('data', (chunk) => (answer += chunk.toString()));
      socket.on('close', () => resolve(answer));
      socket.on('error', reject);
      for (const part of parts) socket.write(part);
    });
  const head = (more: string): string => `POST /v2/models/demand/infer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${more}\r\n`;

  it('takes a chunked body', async () => {
    const body = JSON.stringify(good);
    const chunks = body.match(/.{1,6}/g)!.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
    expect(await send([head('Transfer-Encoding: chunked\r\n'), ...chunks, '0\r\n\r\n'])).toMatch(/^HTTP\/1.1 200 /);
  });

  it.each([
    ['no HTTP', ['hello\r\n\r\n'], /^HTTP\/1.1 400 /],
    ['two lengths', [head('Content-Length: 6\r\nContent-Length: 7\r\n'), '{}'], /^HTTP\/1.1 400 /],
    [
      'length and chunks (smuggling)',
      [head('Content-Length: 6\r\nTransfer-Encoding: chunked\r\n'), '0\r\n\r\nGET / HTTP/1.1\r\n\r\n'],
      /^HTTP\/1.1 400 /,
    ],
    ['a flood of headers', [head(`X-Flood: ${'x'.repeat(20_000)}\r\n`)], /^HTTP\/1.1 431 /],
    ['a body that never ends', [head('Content-Length: 600\r\n'), '{"inputs"'], /^HTTP\/1.1 408 /],
    ['headers that never end', ['POST /v2/models/demand/infer HTTP/1.1\r\nHost: x\r\n'], /^HTTP\/1.1 408 /],
  ])('%s', async (_, parts, status) => {
    expect(await send(parts)).toMatch(status);
    await nextGoodRequestIsAnswered();
  });

  it('lives when a caller leaves in the middle of a body', async () => {
    const { hostname, port } = new URL(gateway.url);
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(head('Content-Length: 600\r\n') + '{"inputs"');
        setTimeout(() => socket.destroy(), 20);
      });
      socket.on('close', () => resolve());
    });
    await nextGoodRequestIsAnswered();
  });
});
