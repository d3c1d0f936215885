import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ask, get, pairs, until } from './support/requests.js';
import { exchange, goodRequest, openRaw, statusesOf } from './support/raw-socket.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
const limits = { inPlaceMaxMs: 0, headersTimeoutMs: 1_000, sendTimeoutMs: 300 };
const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, limits);
await stage.addLive({ model: 'slow', version: '1.0.0', onnx: 'slow' });
await until(async () => (await get(`${gateway.url}/v2/models/slow/ready`)).status === 200);

const good = goodRequest('demand');
const slow = goodRequest('slow');
const garbage = 'GARBAGE\r\n\r\n';
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const chunked = (path: string, headers = '') => `POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n${headers}\r\n`;
const lines = 'Content-Type: application/jsonlines\r\n';

/** The figures of the model, in the order in which its answers came. */
const figuresOf = (received: string) => [...received.matchAll(/"data":\[([\d.]+)\]/g)].map(([, figure]) => Number(figure));
const other = goodRequest('demand', { body: JSON.stringify(pairs([[3, 4]])) });

afterEach(async () => {
  expect((await ask(gateway, 'demand')).status).toBe(200);
});

describe('bytes that cannot be read behind good requests', () => {
  it.each([
    ['one', good + garbage, [200, 400], [21]],
    ['several', good + other + garbage, [200, 200, 400], [21, 43]],
    ['one that takes long', slow + other + garbage, [200, 200, 400], null],
    ['an old version of HTTP', `${good}GET /v2\r\n\r\n`, [200, 505], [21]],
    ['an old version of HTTP, and garbage', `${good}GET /v2\r\n\r\n${garbage}`, [200, 505], [21]],
    ['a request without a host', `${good}GET /v2 HTTP/1.1\r\n\r\n`, [200, 400], [21]],
    ['a body in wrong chunks', `${good}${chunked('/v2/models/demand/infer')}zz\r\n`, [200, 400], [21]],
    ['a head that never ends', `${slow}${good.slice(0, 40)}`, [200, 408], null],
  ])('%s: each is answered, in order, before they are refused', async (...[, bytes, statuses, figures]) => {
    const received = await exchange(gateway.url, bytes);
    expect(statusesOf(received)).toEqual(statuses);
    if (figures !== null) expect(figuresOf(received)).toEqual(figures);
  });

  it('are refused after the answer where the caller has ended his side', async () => {
    const raw = await openRaw(gateway.url);
    raw.socket.end(`${slow}${good.slice(0, 30)}`);
    expect(statusesOf(await raw.closed)).toEqual([200, 400]);
  });

  it('get no answer behind a request that closes the connection', async () => {
    const closing = goodRequest('slow', { headers: 'Connection: close\r\n' });
    expect(statusesOf(await exchange(gateway.url, closing + garbage))).toEqual([200]);
  });

  it('that come in more pieces are refused once', async () => {
    const raw = await openRaw(gateway.url);
    raw.socket.write(slow + garbage);
    raw.socket.write(garbage);
    raw.socket.write(good);
    expect(statusesOf(await raw.closed)).toEqual([200, 400]);
  });
});

describe('a body that turns out to be unreadable', () => {
  it('ends the stream of answers that has begun, with nothing in the middle of it', async () => {
    const raw = await openRaw(gateway.url);
    raw.socket.write(chunked('/v2/models/demand/infer_stream', lines) + chunk(`${JSON.stringify(pairs([[1, 2]]))}\n`));
    await raw.until((received) => received.includes('data: {'));
    raw.socket.write('zz\r\n');
    const received = await raw.closed;
    expect(statusesOf(received)).toEqual([200]);
    expect(received.endsWith('\n\n\r\n')).toBe(true);
  });

  it('gets no second answer', async () => {
    const raw = await openRaw(gateway.url);
    raw.socket.write(chunked('/v2/nothing') + chunk('{}'));
    await raw.until((received) => received.includes('404'));
    raw.socket.write('zz\r\n');
    expect(statusesOf(await raw.closed)).toEqual([404]);
  });
});

describe('who is refused and leaves his side open', () => {
  it.each([
    ['at once', garbage],
    ['behind a good request', good + garbage],
  ])('is cut off: garbage %s', async (_, bytes) => {
    const open = async () => Number(/^gateway_connections (\d+)/m.exec((await get<string>(`${gateway.url}/metrics`)).body)![1]);
    const before = await open();
    const { hostname, port } = new URL(gateway.url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (data) => (text += data.toString('latin1')));
    const ended = new Promise((resolve) => socket.once('end', resolve));
    socket.write(bytes);
    await ended;
    expect(statusesOf(text).at(-1)).toBe(400);
    await until(async () => (await open()) <= before);
    socket.destroy();
  });
});
