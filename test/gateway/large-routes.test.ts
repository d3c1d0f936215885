import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { isSharable } from '../../gateway/http/body-pieces.js';
import { npy } from './support/npy-file.js';
import { get } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
await stage.addFixture('mixed');
await stage.addFixture('identity-cube');
const atOnce = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { bodyThreadBytes: Infinity });
const inThread = await stage.start({ bodyThreadBytes: 0 });

type Sent = { readonly path: string; readonly body: string | Buffer; readonly headers?: Record<string, string> };

/** What a gateway answers, without what every answer has of its own. */
async function told(gateway: Gateway, { path, body, headers = {} }: Sent) {
  const answer = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const type = answer.headers.get('content-type');
  const text = type?.includes('eventstream') === true ? frames(bytes) : bytes.toString('latin1');
  return { status: answer.status, type, text: text.replaceAll(/"(prediction_ids|id)":"[\w,-]+"/g, '"$1":"…"') };
}

/** Heads and bodies of the frames of an event stream: their checksums differ as the ids in them do. */
function frames(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at)) {
    const headEnd = at + 12 + bytes.readUInt32BE(at + 4);
    text += `${bytes.toString('latin1', at + 12, headEnd)}|${bytes.toString('utf8', headEnd, at + bytes.readUInt32BE(at) - 4)}\n`;
  }
  return text;
}

const threaded = async () => Number(/^gateway_bodies_in_thread_total (\d+)/m.exec((await get<string>(`${inThread.url}/metrics`)).body)![1]);

const table = [0, 1, 2].map((i) => [3_600_000 * i, i + 0.5, 2 * i]);
const columns = (data: unknown): string =>
  JSON.stringify({
    inputs: [
      { name: 'hour', datatype: 'INT64', shape: [3], data: table.map(([hour]) => hour) },
      { name: 'a', datatype: 'FP64', shape: [3, 1], data },
      { name: 'b', datatype: 'FP64', shape: [3], data: [1, 2, 3] },
    ],
  });
const cubes = (data: unknown, shape = [2, 2, 3]): string => JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape, data }] });
const cube = [
  [1, 2, 3],
  [4, 5, 6],
];
const csv = { 'content-type': 'text/csv' };
const lines = { 'content-type': 'application/jsonlines' };
const matrix = { 'content-type': 'application/x-npy' };
const csvText = table.map((row) => row.join(',')).join('\n');
const lineText = table.map((row) => JSON.stringify(row)).join('\n');

const requests: readonly (readonly [what: string, sent: Sent])[] = [
  ['predict, by row', { path: '/v1/models/demand:predict', body: JSON.stringify({ instances: table }) }],
  ['predict, by column', { path: '/v1/models/demand:predict', body: '{"inputs":{"hour":[0],"a":[1],"b":[2]}}' }],
  ['predict, nested', { path: '/v1/models/identity-cube:predict', body: JSON.stringify({ inputs: [cube, cube] }) }],
  ['predict, ragged', { path: '/v1/models/identity-cube:predict', body: JSON.stringify({ instances: [cube, [[1]]] }) }],
  ['predict, a value out of bounds', { path: '/v1/models/demand:predict', body: '{"instances":[[0,5000,1]]}' }],
  ['predict, wrong', { path: '/v1/models/demand:predict', body: '{"instances":[[0,1]]}' }],
  ['invocations of instances', { path: '/endpoints/demand/invocations', body: JSON.stringify({ instances: table }) }],
  ['invocations of tensors', { path: '/endpoints/demand/invocations', body: columns([1, 2, 3]) }],
  ['invocations of CSV', { path: '/endpoints/demand/invocations', body: csvText, headers: csv }],
  [
    'invocations of CSV, answered as JSON',
    { path: '/endpoints/demand/invocations', body: csvText, headers: { ...csv, accept: 'application/json' } },
  ],
  [
    'invocations of tensors, answered as CSV',
    { path: '/endpoints/demand/invocations', body: columns([1, 2, 3]), headers: { accept: 'text/csv' } },
  ],
  ['invocations of JSON lines', { path: '/endpoints/demand/invocations', body: lineText, headers: lines }],
  [
    'invocations of an array',
    { path: '/endpoints/demand/invocations', body: npy('<f8', [3, 3], Float64Array.from(table.flat())), headers: matrix },
  ],
  ['invocations, wrong', { path: '/endpoints/demand/invocations', body: '1,2\n', headers: csv }],
  ['a response stream of CSV', { path: '/endpoints/demand/invocations-response-stream', body: csvText, headers: csv }],
  ['a response stream of tensors', { path: '/endpoints/demand/invocations-response-stream', body: columns([1, 2, 3]) }],
  ['a response stream, wrong', { path: '/endpoints/demand/invocations-response-stream', body: '1\n', headers: csv }],
  ['generate', { path: '/v2/models/demand/generate', body: '{"hour":0,"a":1,"b":2}' }],
  ['generate, wrong', { path: '/v2/models/demand/generate', body: '{"hour":0,"a":[[[1]]],"b":2}' }],
  ['generate_stream', { path: '/v2/models/demand/generate_stream', body: '{"hour":[0,1],"a":[1,2],"b":[3,4]}' }],
  ['infer_stream', { path: '/v2/models/demand/infer_stream', body: columns([1, 2, 3]) }],
  ['infer_stream of nested rows', { path: '/v2/models/demand/infer_stream', body: columns([[1], [2], [3]]) }],
  [
    'infer_stream of JSON lines',
    { path: '/v2/models/demand/infer_stream', body: `${columns([1, 2, 3])}\n{}\n${columns([[4], [5], [6]])}`, headers: lines },
  ],
  ['infer_stream with a wrong row', { path: '/v2/models/demand/infer_stream', body: columns([[1], [2, 3], [3]]) }],
  ['infer_stream with a wrong first row', { path: '/v2/models/demand/infer_stream', body: columns([[1, 2], [2], [3]]) }],
  ['infer_stream with a wrong element', { path: '/v2/models/demand/infer_stream', body: columns([[1], ['2'], [3]]) }],
  ['infer_stream with too few rows', { path: '/v2/models/demand/infer_stream', body: columns([[1], [2]]) }],
  ['infer_stream with too few elements', { path: '/v2/models/demand/infer_stream', body: columns([1]) }],
  ['infer_stream of what is no list', { path: '/v2/models/demand/infer_stream', body: columns(7) }],
  ['infer_stream of three dimensions', { path: '/v2/models/identity-cube/infer_stream', body: cubes([cube, cube]) }],
  ['infer_stream of three dimensions, ragged', { path: '/v2/models/identity-cube/infer_stream', body: cubes([cube, [[1, 2, 3], [4]]]) }],
  ['infer_stream of one ragged row', { path: '/v2/models/identity-cube/infer_stream', body: cubes([[[1, 2, 3], [4]]], [1, 2, 3]) }],
];

describe('a gateway that reads all bodies in a thread', () => {
  test.each(requests)('%s: answers what one answers that reads them at once', async (_what, sent) => {
    const before = await threaded();
    const answer = await told(inThread, sent);
    expect(await threaded()).toBeGreaterThan(before);
    expect(answer).toEqual(await told(atOnce, sent));
  });

  test('tells of what needs no reading before it reads', async () => {
    const before = await threaded();
    const invocations = (headers: Record<string, string>) =>
      told(inThread, { path: '/endpoints/demand/invocations', body: csvText, headers });
    expect((await invocations({ ...csv, accept: 'image/png' })).text).toContain('Accept image/png cannot be given');
    expect((await invocations({ 'content-type': 'text/plain' })).text).toContain('Content-Type text/plain is not taken');
    expect((await told(inThread, { path: '/v1/models/nobody:predict', body: '{"instances":[1]}' })).status).toBe(404);
    expect(await threaded()).toBe(before);
  });
});

describe('a body of more than a megabyte', async () => {
  const gateway = await stage.start();
  const blank = 1_100_000;
  const arrayRows = 45_000;
  const large = requests
    .filter(([what]) => !what.includes('array'))
    .map(([what, { body, ...sent }]) => {
      // Blanks after JSON, blank lines among others.
      const isLines = sent.headers?.['content-type'] !== undefined;
      return [what, { ...sent, body: `${String(body)}${(isLines ? '\n' : ' ').repeat(blank)}` }] as const;
    });

  test.each(large)('%s: is answered as a small one is', async (what, sent) => {
    const small = requests.find(([name]) => name === what)![1];
    expect(await told(gateway, sent)).toEqual(await told(atOnce, small));
  });

  test('of an array is answered, a prediction a row', async () => {
    const values = Float64Array.from({ length: 3 * arrayRows }, (_, i) => i % 100);
    const answer = await fetch(`${gateway.url}/endpoints/demand/invocations`, {
      method: 'POST',
      body: npy('<f8', [arrayRows, 3], values),
      headers: { ...matrix, accept: 'text/csv' },
    });
    const expected = Array.from({ length: arrayRows }, (_, row) => values[3 * row + 1]! + 10 * values[3 * row + 2]!);
    expect((await answer.text()).trim().split('\n').map(Number)).toEqual(expected);
  });

  test.each([
    ['/v1/models/demand:predict', {}],
    ['/endpoints/demand/invocations', csv],
    ['/endpoints/demand/invocations', lines],
    ['/v2/models/demand/generate', {}],
    ['/v2/models/demand/infer_stream', {}],
    ['/v2/models/demand/infer_stream', lines],
    ['/v2/models/demand/infer', {}],
    ['/v2/models/demand/jobs', {}],
  ])('at %s with %j: is refused where it is not UTF-8', async (path, headers) => {
    const answer = await told(gateway, { path, headers, body: Buffer.concat([Buffer.alloc(blank, ' '), Buffer.from([0xe9])]) });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('not UTF-8')]);
  });
});

describe('memory that threads share', () => {
  const request = (headers: Record<string, string>) => ({ headers }) as unknown as IncomingMessage;

  test.each(['application/json', 'Text/CSV; charset=utf-8', 'application/jsonlines', 'application/x-ndjson', 'application/x-npy'])(
    'takes a large body of %s',
    (type) => {
      expect(isSharable(request({ 'content-type': type }), 256 * 1024)).toBe(true);
      expect(isSharable(request({ 'content-type': type }), 256 * 1024 - 1)).toBe(false);
      expect(isSharable(request({ 'content-type': type, 'content-encoding': 'gzip' }), 1e6)).toBe(false);
      expect(isSharable(request({ 'content-type': type, 'inference-header-content-length': '7' }), 1e6)).toBe(false);
    },
  );

  test.each(['application/octet-stream', 'text/plain', ''])('does not take one of %j, which may go where it is not taken', (type) => {
    expect(isSharable(request({ 'content-type': type }), 1e6)).toBe(false);
    expect(isSharable(request({}), 1e6)).toBe(false);
  });
});
