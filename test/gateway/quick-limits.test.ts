import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { HeldRefusals } from '../../gateway/http/held-refusals.js';
import type { Reply } from '../../gateway/http/reply.js';
import { json } from '../../gateway/http/reply.js';
import { RequestError } from '../../gateway/http/request-error.js';
import type { GatewayRequest } from '../../gateway/http/whole-request.js';
import { openRaw, statusesOf } from './support/raw-socket.js';
import { until } from './support/requests.js';
import { openFronts, talk } from './support/two-fronts.js';

const waiting: { readonly request: GatewayRequest; answer(reply: Reply): void }[] = [];
let left = 0;
/** More than the buffers of both ends take. */
const hugeBytes = 40_000_000;

async function* pieces(gone: AbortSignal): AsyncGenerator<string | Uint8Array> {
  gone.addEventListener('abort', () => left++);
  yield 'data: first\n\n';
  yield '';
  yield Uint8Array.of(1, 0, 255);
  yield 'data: caf\u00e9\n\n';
}

/** Answers at once, later, piece by piece, not at all, or with an error, as the path says. */
function handle(request: GatewayRequest): Reply | Promise<Reply> {
  switch (request.url ?? '') {
    case '/later':
      return new Promise((answer) => waiting.push({ request, answer }));
    case '/pieces':
      return { status: 200, contentType: 'text/event-stream', body: '', headers: { 'X-Accel-Buffering': 'no' }, stream: pieces };
    case '/endless':
      return {
        status: 200,
        contentType: 'text/plain',
        body: '',
        async *stream(gone) {
          gone.addEventListener('abort', () => left++);
          while (!gone.aborted) {
            yield 'x'.repeat(10_000);
            await delay(1);
          }
        },
      };
    case '/broken-pieces':
      return {
        status: 200,
        contentType: 'text/plain',
        body: '',
        async *stream() {
          yield 'first';
          await delay(1);
          throw new Error('no more');
        },
      };
    case '/large':
      return { status: 200, contentType: 'text/plain', body: 'y'.repeat(1_000_000) };
    case '/huge':
      return { status: 200, contentType: 'text/plain', body: 'z'.repeat(hugeBytes) };
    case '/accents':
      return { status: 200, contentType: 'text/plain', body: '\u00e9\u4e16'.repeat(5_000) };
    case '/bytes':
      return { status: 200, contentType: 'application/octet-stream', body: Uint8Array.from({ length: 20_000 }, (_, i) => i) };
    case '/few-bytes':
      return { status: 200, contentType: 'application/octet-stream', body: Uint8Array.of(0, 128, 255) };
    case '/refused':
      return { ...json(503, { error: 'too many' }), headers: { 'Retry-After': '1' } };
    case '/injection':
      return { ...json(200, {}), headers: { 'X-A': 'b\r\nX-Injected: c' } };
    default:
      return json(200, { url: request.url });
  }
}

const limits = { headersTimeoutMs: 700, requestTimeoutMs: 2_000, keepAliveTimeoutMs: 100, sendTimeoutMs: 600 };
const fronts = await openFronts(handle, limits);
const { quick, quickUrl, plainUrl } = fronts;
afterAll(() => fronts.close());
afterEach(async () => {
  // Nothing is left behind by any of them.
  await until(() => quick.connections === 0);
});

const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
const closing = (path: string) => get(path, 'Connection: close\r\n');

describe('time limits of the quick lane', () => {
  test('a connection on which nothing comes is answered 408', async () => {
    const before = quick.unreadable;
    const silent = await openRaw(quickUrl);
    expect(statusesOf(await silent.closed)).toEqual([408]);
    expect(quick.unreadable).toBe(before + 1);
  });

  test('a request that does not go on is answered 408', async () => {
    const slow = await openRaw(quickUrl);
    slow.socket.write('GET /v2 HT');
    expect(statusesOf(await slow.closed)).toEqual([408]);
  });

  test('a body that is long in coming is waited for by node:http, which asks the handler before it is there', async () => {
    const before = fronts.quickly();
    const slow = await openRaw(quickUrl);
    slow.socket.write('POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{');
    await slow.until((received) => statusesOf(received).length === 1);
    slow.socket.write('123456789');
    expect(statusesOf(await slow.closed)).toEqual([200]);
    expect(fronts.quickly()).toBe(before);
  });

  test('a connection that is kept is closed in the end', async () => {
    const kept = await openRaw(quickUrl);
    kept.socket.write(get('/v2'));
    expect(statusesOf(await kept.closed)).toEqual([200]);
  });

  test('who does not read the answer is broken off', async () => {
    const raw = await openRaw(quickUrl);
    raw.socket.pause();
    raw.socket.write(get('/huge'));
    await until(() => quick.connections === 1);
    await until(() => quick.connections === 0);
    raw.socket.resume();
    expect((await raw.closed).length).toBeLessThan(hugeBytes);
    expect(raw.received()).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('answers of the quick lane', () => {
  test.each(['/large', '/accents', '/bytes', '/few-bytes', '/pieces', '/nothing-of-all-that'])(
    '%s is what node:http sends',
    async (path) => {
      const [quickly, plainly] = await Promise.all([
        talk(quickUrl, [Buffer.from(closing(path))]),
        talk(plainUrl, [Buffer.from(closing(path))]),
      ]);
      expect(statusesOf(quickly)).toEqual([200]);
      expect(joined(quickly)).toBe(joined(plainly));
    },
  );

  test('a connection goes on behind an answer in pieces', async () => {
    const raw = await openRaw(quickUrl);
    raw.socket.write(get('/pieces'));
    await raw.until((received) => received.endsWith('0\r\n\r\n'));
    raw.socket.write(closing('/v2'));
    expect(statusesOf(await raw.closed)).toEqual([200, 200]);
  });

  test('an answer in pieces that fails is broken off', async () => {
    const raw = await openRaw(quickUrl);
    raw.socket.write(get('/broken-pieces'));
    const received = await raw.closed;
    expect(received).toContain('first');
    expect(received).not.toContain('\r\n0\r\n');
  });

  test('an answer in pieces ends when the caller leaves', async () => {
    const before = left;
    const raw = await openRaw(quickUrl);
    raw.socket.write(get('/endless'));
    await raw.until((received) => received.length > 50_000);
    raw.socket.destroy();
    await until(() => left === before + 1);
  });

  test('a header that would be two breaks the connection off', async () => {
    const raw = await openRaw(quickUrl);
    raw.socket.write(get('/injection'));
    expect(await raw.closed).toBe('');
  });

  test('a request is told that its caller has gone', async () => {
    const raw = await openRaw(quickUrl);
    raw.socket.write(get('/later'));
    await until(() => waiting.length === 1);
    const { request, answer } = waiting.pop()!;
    expect(request.socket.destroyed).toBe(false);
    raw.socket.destroy();
    await until(() => request.socket.destroyed);
    answer(json(200, {}));
  });

  test('requests that do not wait for the answer are answered in their order', async () => {
    const raw = await openRaw(quickUrl);
    raw.socket.write(get('/later'));
    await until(() => waiting.length === 1);
    raw.socket.write(get('/one') + get('/two'));
    raw.socket.write(closing('/three'));
    await delay(20);
    expect(raw.received()).toBe('');
    waiting.pop()!.answer(json(200, { url: '/later' }));
    expect([...(await raw.closed).matchAll(/"url":"(.*?)"/g)].map(([, url]) => url)).toEqual(['/later', '/one', '/two', '/three']);
  });
});

describe('refusals', () => {
  test('are told a moment later to who asks again at once, and to nobody else', async () => {
    const [stubborn, patient] = await Promise.all([openRaw(quickUrl), openRaw(quickUrl)]);
    stubborn.socket.write(get('/refused'));
    await stubborn.until((received) => statusesOf(received).length === 1);
    const order: string[] = [];
    const again = stubborn.until((received) => statusesOf(received).length === 2).then(() => order.push('refused again'));
    const other = patient.until((received) => statusesOf(received).length === 1).then(() => order.push('answered'));
    stubborn.socket.write(get('/refused'));
    patient.socket.write(get('/v2'));
    await Promise.all([again, other]);
    expect(order).toEqual(['answered', 'refused again']);
    stubborn.socket.write(closing('/v2'));
    patient.socket.write(closing('/refused'));
    expect(statusesOf(await stubborn.closed)).toEqual([503, 503, 200]);
    expect(statusesOf(await patient.closed)).toEqual([200, 503]);
  });

  test('do not gather the stack, which nobody reads; faults of ours do', () => {
    const limit = Error.stackTraceLimit;
    expect(new RequestError('overloaded', 'too many').stack).not.toContain('\n');
    expect(new RequestError('internal', 'a fault').stack).toContain('quick-limits.test.ts');
    expect(Error.stackTraceLimit).toBe(limit);
  });

  test('are held until the clock has gone on, all at once', () => {
    vi.useFakeTimers();
    try {
      const told: number[] = [];
      const refusals = new HeldRefusals();
      for (const one of [1, 2, 3]) refusals.hold(() => told.push(one));
      expect(told).toEqual([]);
      expect(vi.getTimerCount()).toBe(1);
      vi.runAllTimers();
      expect(told).toEqual([1, 2, 3]);
    } finally {
      vi.useRealTimers();
    }
  });
});

test('close answers what is at work, advises to connect anew, and ends what is idle', async () => {
  const draining = await openFronts(handle, { ...limits, keepAliveTimeoutMs: 60_000, drainNoticeMs: 300 });
  const [idle, kept, busy] = await Promise.all([1, 2, 3].map(() => openRaw(draining.quickUrl)));
  for (const raw of [idle!, kept!]) {
    raw.socket.write(get('/v2'));
    await raw.until((received) => statusesOf(received).length === 1);
  }
  busy!.socket.write(get('/later'));
  await until(() => waiting.length === 1);
  const closed = draining.quick.close(5_000);
  kept!.socket.write(get('/v2'));
  expect(await kept!.closed).toMatch(/Connection: keep-alive[^]*Connection: close/);
  expect(statusesOf(await idle!.closed)).toEqual([200]);
  await until(() => draining.quick.connections === 1);
  waiting.pop()!.answer(json(200, {}));
  expect(await busy!.closed).toMatch(/^HTTP\/1\.1 200 [^]*Connection: close/);
  await closed;
  await draining.close();
});

/** An answer with its chunks put together: where node:http cuts them does not matter. */
function joined(received: string): string {
  const end = received.indexOf('\r\n\r\n') + 4;
  if (!received.slice(0, end).includes('Transfer-Encoding: chunked')) return received;
  let rest = received.slice(end);
  let body = '';
  for (let size = Number.NaN; size !== 0;) {
    const line = rest.indexOf('\r\n');
    size = Number.parseInt(rest.slice(0, line), 16);
    body += rest.slice(line + 2, line + 2 + size);
    rest = rest.slice(line + 4 + size);
  }
  expect(rest).toBe('');
  return received.slice(0, end) + body;
}
