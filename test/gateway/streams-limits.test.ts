import { describe, expect, it } from 'vitest';
import { get, pairs, post, until } from './support/requests.js';
import { goodRequest, openRaw, statusesOf } from './support/raw-socket.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
const limits = { inPlaceMaxMs: 0, maxBodyBytes: 2_000_000, maxBodiesBytes: 4_000_000 };
await stage.addFixture('mixed');
await stage.addFixture('identity-half');
const gateway = await stage.serve(
  [
    { model: 'demand', version: '1.0.0', onnx: 'linear' },
    { model: 'demand', version: '1.0.1', onnx: 'linear-plus-1000' },
  ],
  {
    variants: [
      { version: '1.0.0', weight: 0.5 },
      { version: '1.0.1', weight: 0.5 },
    ],
  },
  limits,
);
await stage.addLive({ model: 'plain', version: '1.0.0', onnx: 'linear' });
await until(async () => (await get(`${gateway.url}/v2/models/plain/ready`)).status === 200);

const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const last = '0\r\n\r\n';
const head = `POST /v2/models/plain/infer_stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/jsonlines\r\n\r\n`;
const line = `${JSON.stringify(pairs([[1, 2]]))}\n`;
const errorsOf = (text: string) =>
  [...text.matchAll(/data: (\{"error".*\})/g)].map(([, event]) => (JSON.parse(event!) as { error: string }).error);
const heldBytes = async () => Number(/^gateway_body_bytes (\d+)/m.exec((await get<string>(`${gateway.url}/metrics`)).body)![1]);

async function text(path: string, body: unknown, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  });
  return { status: answer.status, text: await answer.text() };
}

describe('a stream of answers', () => {
  it.each([
    ['for all', { parameters: { binary_data_output: true } }],
    ['for one output', { outputs: [{ name: 'value', parameters: { binary_data: true } }] }],
  ])('refuses binary data %s, which no event can hold', async (_, more) => {
    const body = pairs([[1, 2]], more);
    const asked: readonly (readonly [string, Record<string, string>])[] = [
      ['/v2/models/plain/infer_stream', {}],
      ['/v2/models/plain/infer_stream', { 'content-type': 'application/jsonlines' }],
      ['/endpoints/plain/invocations-response-stream', {}],
    ];
    for (const [path, headers] of asked) {
      const answer = await text(path, body, headers);
      expect(answer).toEqual({ status: 400, text: expect.stringContaining('is not for streams') as string });
    }
  });

  it('answers a first row that has no form as text with an error, not with half a stream', async () => {
    const tensor = { name: 'x', datatype: 'FP16', shape: [1, 2], parameters: { binary_data_size: 4 } };
    const json = JSON.stringify({ inputs: [tensor] });
    const body = Buffer.concat([Buffer.from(json), Buffer.from([0, 0x3c, 0, 0x40])]);
    const headers = { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(json.length) };
    const answer = await text('/endpoints/identity-half/invocations-response-stream', body, headers);
    expect(answer).toEqual({ status: 400, text: expect.stringContaining('FP16') as string });
  });

  it("keeps integers of a response stream's rows to their last digit, and names the row of an error", async () => {
    const inputs = (b: string) =>
      `{"inputs":[{"name":"a","datatype":"FP32","shape":[3,2],"data":[1,2,3,4,5,6]},{"name":"b","datatype":"INT64","shape":[3],"data":[9007199254740993,${b},-9007199254740993]},` +
      '{"name":"flag","datatype":"BOOL","shape":[3],"data":[true,true,true]},{"name":"word","datatype":"BYTES","shape":[3],"data":["a","b","c"]}]}';
    const exact = await text('/endpoints/mixed/invocations-response-stream', inputs('5'));
    expect([exact.status, exact.text.includes('[9007199254740993]'), exact.text.includes('[-9007199254740993]')]).toEqual([
      200,
      true,
      true,
    ]);
    const wrong = await text('/endpoints/mixed/invocations-response-stream', inputs('"x"'));
    expect([wrong.status, wrong.text]).toEqual([200, expect.stringContaining('row 1: input \\"b\\", element 0, is text')]);
  });

  it('names the row that the reason does not tell', async () => {
    const body = { inputs: [{ name: 'a', datatype: 'FP32', shape: [3, 2], data: [1, 2, 3, 4, 'x', 6] }, ...rest(3)] };
    const { status, text: told } = await text('/v2/models/mixed/infer_stream', body);
    expect(status).toBe(200);
    expect(errorsOf(told)).toEqual([expect.stringMatching(/^row 2: input "a", element 0, is text/)]);
  });

  it("goes by the request's key, priority and timeout, as a plain call does", async () => {
    const rows = Array.from({ length: 60 }, (_, i) => [i, 1] as const);
    const { text: told } = await text('/v2/models/demand/infer_stream', pairs(rows, { parameters: { key: 'somebody' } }));
    const versions = new Set([...told.matchAll(/"model_version":"([\d.]+)","id"/g)].map(([, version]) => version));
    const plain = await post(`${gateway.url}/v2/models/demand/infer`, pairs([[1, 2]], { parameters: { key: 'somebody' } }));
    expect([...versions]).toEqual([plain.body.model_version]);
    expect((await text('/v2/models/plain/infer_stream', pairs([[1, 2]], { parameters: { timeout: 1 } }))).status).toBe(504);
    expect((await text('/v2/models/plain/infer_stream', pairs([[1, 2]], { parameters: { priority: -1 } }))).status).toBe(400);
  });
});

const rest = (rows: number) => [
  { name: 'b', datatype: 'INT64', shape: [rows], data: Array.from({ length: rows }, () => 1) },
  { name: 'flag', datatype: 'BOOL', shape: [rows], data: Array.from({ length: rows }, () => true) },
  { name: 'word', datatype: 'BYTES', shape: [rows], data: Array.from({ length: rows }, () => 'a') },
];

describe('lines that are answered while they arrive', () => {
  it('a wrong first line is refused though the body goes on, and the connection carries the next request', async () => {
    const raw = await openRaw(gateway.url);
    raw.socket.write(head + chunk('{}\n'));
    expect(statusesOf(await raw.until((received) => received.includes('HTTP/1.1')))).toEqual([400]);
    raw.socket.write(chunk('x'.repeat(1_000_000)) + chunk(line) + last + goodRequest('plain'));
    expect(statusesOf(await raw.until((received) => statusesOf(received).length === 2))).toEqual([400, 200]);
    expect(await heldBytes()).toBe(0);
    raw.socket.destroy();
  });

  it('a later line that is too long is told, and ends the stream; the connection carries the next request', async () => {
    const raw = await openRaw(gateway.url);
    raw.socket.write(head + chunk(line));
    await raw.until((received) => received.includes('data: '));
    raw.socket.write(chunk('x'.repeat(2_100_000)) + chunk(`\n${line}`) + last + goodRequest('plain'));
    const received = await raw.until((all) => statusesOf(all).length === 2);
    expect(statusesOf(received)).toEqual([200, 200]);
    expect(errorsOf(received)).toEqual([expect.stringMatching(/^line 1: a line of \d+ bytes or more exceeds/)]);
    raw.socket.destroy();
  });

  it('take no more memory together than bodies may; who is refused is told so', async () => {
    const long = chunk(`{"id":"${'x'.repeat(1_500_000)}`);
    const raws = await Promise.all([1, 2, 3].map(() => openRaw(gateway.url)));
    for (const raw of raws) raw.socket.write(head + long);
    await until(() => raws.some((raw) => raw.received() !== ''));
    const refused = raws.filter((raw) => raw.received() !== '');
    expect(refused.map((raw) => statusesOf(raw.received()))).toEqual([[503]]);
    await until(async () => (await heldBytes()) > 2_900_000);
    expect(await heldBytes()).toBeLessThan(limits.maxBodiesBytes);
    for (const raw of raws) raw.socket.destroy();
    await until(async () => (await heldBytes()) === 0);
  });
});

describe('a stream made of a large body', () => {
  it('counts as one until its end', async () => {
    const rows = Array.from({ length: 4_000 }, (_, i) => [i % 1000, 1] as const);
    const body = JSON.stringify(pairs(rows, { id: 'i'.repeat(20_000) }));
    expect(body.length).toBeGreaterThan(65_536);
    const raw = await openRaw(gateway.url);
    raw.socket.pause();
    raw.socket.write(`POST /v2/models/plain/infer_stream HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    // The caller reads nothing, so it stands still with most of its rows to come.
    let predicted = -1;
    await until(async () => {
      const before = predicted;
      predicted = stage.registry.stored.filter(({ model }) => model === 'plain').length;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return predicted > 100 && predicted === before;
    });
    expect(await heldBytes()).toBe(body.length);
    raw.socket.destroy();
    await until(async () => (await heldBytes()) === 0);
  });
});
