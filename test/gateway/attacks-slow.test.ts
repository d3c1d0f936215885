import { describe, expect, test } from 'vitest';
import { ask, get, pairs, until } from './support/requests.js';
import type { RawSocket } from './support/raw-socket.js';
import { goodRequest, openRaw, statusesOf } from './support/raw-socket.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
const limits = { headersTimeoutMs: 1_000, requestTimeoutMs: 3_000, sendTimeoutMs: 500, maxConnections: 60, maxBodiesBytes: 4_000_000 };
const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, limits);

async function nextGoodRequestIsAnswered(): Promise<void> {
  expect(await ask(gateway, 'demand', [3, 4])).toMatchObject({ status: 200, body: { outputs: [{ data: [43] }] } });
}

const head = goodRequest('demand').split('\r\n\r\n')[0]!;

/** Sends one byte after the other until the other side has enough of it. */
async function drip(raw: RawSocket, bytes: () => string): Promise<string> {
  const timer = setInterval(() => raw.socket.writable && raw.socket.write(bytes()), 20);
  const received = await raw.closed;
  clearInterval(timer);
  return received;
}

describe('slow callers', () => {
  test.concurrent.each([
    ['headers that go on for ever', `${head}\r\nX-`, () => 'a'],
    ['header lines that go on for ever', `${head}\r\n`, () => 'X-A: b\r\n'],
    ['a body that goes on for ever', `${head.replace(/Content-Length: \d+/, 'Content-Length: 1000000')}\r\n\r\n`, () => ' '],
    ['chunks that go on for ever', `${head.replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked')}\r\n\r\n`, () => '1\r\n \r\n'],
    [
      'a chunk extension that goes on for ever',
      `${head.replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked')}\r\n\r\n1;`,
      () => 'a',
    ],
    ['empty lines before a request', '', () => '\r\n'],
  ])('%s are answered 408, and others meanwhile as ever', async (_, first, bytes) => {
    const slow = await openRaw(gateway.url);
    slow.socket.write(first);
    const ended = drip(slow, bytes);
    await nextGoodRequestIsAnswered();
    expect(statusesOf(await ended)).toEqual([408]);
    await nextGoodRequestIsAnswered();
  });

  test('a connection on which nothing is sent is closed', async () => {
    const silent = await openRaw(gateway.url);
    expect(statusesOf(await silent.closed)).toEqual([408]);
    await nextGoodRequestIsAnswered();
  });

  test('who does not read the answers is broken off', async () => {
    const before = await figure('gateway_connections');
    const raw = await openRaw(gateway.url);
    raw.socket.pause();
    // More answers than the buffers of both ends take.
    const rows = Array.from({ length: 2_000 }, (_, i) => [i / 7, 1] as const);
    raw.socket.write(goodRequest('demand', { body: JSON.stringify(pairs(rows)) }).repeat(400));
    await until(async () => (await figure('gateway_connections')) > before);
    // Nothing is read until the server has given up: it is the connection's end that is waited for, not an answer.
    await until(async () => (await figure('gateway_connections')) <= before);
    raw.socket.resume();
    expect(statusesOf(await raw.closed).length).toBeLessThan(400);
    await nextGoodRequestIsAnswered();
  });

  test('who leaves in the middle of anything harms nobody', async () => {
    const good = goodRequest('demand');
    for (const sent of [0, 1, 20, head.length, head.length + 4, head.length + 10, good.length]) {
      const raw = await openRaw(gateway.url);
      raw.socket.write(good.slice(0, sent));
      raw.socket.resetAndDestroy();
      await raw.closed;
      const half = await openRaw(gateway.url);
      half.socket.end(good.slice(0, sent));
      await half.closed;
    }
    await nextGoodRequestIsAnswered();
  });
});

describe('floods', () => {
  test('more connections than there may be are closed at once, and their places are free again afterwards', async () => {
    const opened = await Promise.all(Array.from({ length: 200 }, () => openRaw(gateway.url).catch(() => null)));
    const flood = opened.filter((one) => one !== null);
    let closed = 0;
    for (const raw of flood) void raw.closed.then(() => closed++);
    await until(() => closed >= flood.length - limits.maxConnections);
    for (const raw of flood) raw.socket.destroy();
    await until(async () => (await fetch(`${gateway.url}/v2/health/live`).catch(() => null))?.status === 200);
    await nextGoodRequestIsAnswered();
  });

  test('large bodies take no more than their room together; small ones go on', async () => {
    const unfinished = head.replace(/Content-Length: \d+/, 'Content-Length: 3000000');
    const slow = await openRaw(gateway.url);
    slow.socket.write(`${unfinished}\r\n\r\n{"inputs":[${' '.repeat(2_900_000)}`);
    await until(async () => (await figure('gateway_body_bytes')) > 2_900_000);
    const body = JSON.stringify(pairs([[1, 2]])) + ' '.repeat(2_000_000);
    const refused = await fetch(`${gateway.url}/v2/models/demand/infer`, { method: 'POST', body });
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    await nextGoodRequestIsAnswered();
    slow.socket.destroy();
    await until(async () => (await figure('gateway_body_bytes')) === 0);
    expect((await fetch(`${gateway.url}/v2/models/demand/infer`, { method: 'POST', body })).status).toBe(200);
  });

  test('a thousand pipelined requests are all answered', async () => {
    const raw = await openRaw(gateway.url);
    raw.socket.write(goodRequest('demand').repeat(1_000));
    const received = await raw.until((text) => statusesOf(text).length >= 1_000);
    const statuses = statusesOf(received);
    expect(statuses).toHaveLength(1_000);
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    raw.socket.destroy();
    await nextGoodRequestIsAnswered();
  });
});

/** A figure of `/metrics`; a connection for the question itself is open. */
async function figure(name: string): Promise<number> {
  const { body } = await get<string>(`${gateway.url}/metrics`);
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(String(body))?.[1] ?? Number.NaN);
}
