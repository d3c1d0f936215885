import { describe, expect, test } from 'vitest';
import { ask } from './support/requests.js';
import { exchange, goodRequest, openRaw, statusesOf } from './support/raw-socket.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);

async function nextGoodRequestIsAnswered(): Promise<void> {
  expect(await ask(gateway, 'demand', [3, 4])).toMatchObject({ status: 200, body: { outputs: [{ data: [43] }] } });
}

/** What an attacker hopes is taken as a request of its own. */
const hidden = 'GET /v2/models/demand/route HTTP/1.1\r\nHost: x\r\n\r\n';
const line = 'POST /v2/models/demand/infer HTTP/1.1\r\n';
const chunked = `0\r\n\r\n${hidden}`;
const withHeaders = (headers: string, body: string) => `${line}Host: x\r\n${headers}\r\n${body}`;

describe('request smuggling', () => {
  const refused: [string, string][] = [
    ['length, then chunks', withHeaders('Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', chunked)],
    ['chunks, then length', withHeaders('Transfer-Encoding: chunked\r\nContent-Length: 6\r\n', chunked)],
    ['two lengths', withHeaders(`Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n`, hidden)],
    ['two equal lengths', withHeaders('Content-Length: 2\r\nContent-Length: 2\r\n', `{}${hidden}`)],
    ['a list of lengths', withHeaders('Content-Length: 2, 2\r\n', `{}${hidden}`)],
    ['a length with a sign', withHeaders('Content-Length: +2\r\n', `{}${hidden}`)],
    ['a length below zero', withHeaders('Content-Length: -1\r\n', hidden)],
    ['a length in hexadecimal', withHeaders('Content-Length: 0x2\r\n', `{}${hidden}`)],
    ['a length beyond 2^64', withHeaders('Content-Length: 18446744073709551618\r\n', `{}${hidden}`)],
    ['a length that is empty', withHeaders('Content-Length:\r\n', hidden)],
    ['a length of two words', withHeaders('Content-Length: 2 2\r\n', `{}${hidden}`)],
    ['two codings, the last not chunked', withHeaders('Transfer-Encoding: chunked, identity\r\n', chunked)],
    ['two coding headers', withHeaders('Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n', chunked)],
    ['an unknown coding', withHeaders('Transfer-Encoding: cow\r\n', chunked)],
    ['a coding that begins like chunked', withHeaders('Transfer-Encoding: chunkedx\r\n', chunked)],
    ['a coding that ends like chunked', withHeaders('Transfer-Encoding: xchunked\r\n', chunked)],
    ['chunked twice', withHeaders('Transfer-Encoding: chunked, chunked\r\n', chunked)],
    ['a space before the colon', withHeaders('Transfer-Encoding : chunked\r\n', chunked)],
    ['a space before the colon of the length', withHeaders('Content-Length : 6\r\n', chunked)],
    ['a folded line', withHeaders('Transfer-Encoding:\r\n chunked\r\n', chunked)],
    ['a folded line after another header', withHeaders('X-A: b\r\n Transfer-Encoding: chunked\r\n', hidden)],
    ['a line feed alone inside a header', withHeaders('X-A: b\nTransfer-Encoding: chunked\r\n', chunked)],
    ['a carriage return alone inside a header', withHeaders('X-A: b\rTransfer-Encoding: chunked\r\n', chunked)],
    ['line feeds alone', `${line}Host: x\r\n\r\n`.replaceAll('\r\n', '\n')],
    ['a null byte in a header value', withHeaders('X-A: b\0c\r\n', '')],
    ['a null byte in a header name', withHeaders('X-\0A: b\r\n', '')],
    ['a header without a name', withHeaders(': b\r\n', '')],
    ['a header without a colon', withHeaders('X-A\r\n', '')],
    ['a vertical tab in the coding', withHeaders('Transfer-Encoding: \x0bchunked\r\n', chunked)],
    ['two hosts', withHeaders('Host: y\r\nContent-Length: 0\r\n', hidden)],
    ['the same host twice', withHeaders('host: x\r\nContent-Length: 0\r\n', hidden)],
    ['no host', `${line}Content-Length: 0\r\n\r\n`],
    ['a space before the method', ` ${line}Host: x\r\n\r\n`],
    ['a space in the path', 'GET /v2 /x HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a null byte in the path', 'GET /v2\0 HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a method that is none', 'G3T /v2 HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a version that is none', 'GET /v2 HTTP/1.9x\r\nHost: x\r\n\r\n'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ];
  test.each(refused)('%s', async (_, bytes) => {
    // One answer, and the connection is closed: what is hidden behind is not read.
    expect(statusesOf(await exchange(gateway.url, bytes))).toEqual([400]);
    await nextGoodRequestIsAnswered();
  });

  test.each([
    ['no version', 'GET /v2\r\nHost: x\r\n\r\n'],
    ['version 0.9', 'GET /v2 HTTP/0.9\r\nHost: x\r\n\r\n'],
  ])('%s: 505', async (_, bytes) => {
    expect(statusesOf(await exchange(gateway.url, bytes + hidden))).toEqual([505]);
    await nextGoodRequestIsAnswered();
  });

  test.each([
    ['a size below zero', '-1\r\n\r\n'],
    ['a size with a prefix', '0x2\r\n{}\r\n0\r\n\r\n'],
    ['a size beyond 2^64', 'fffffffffffffffff\r\n{}\r\n0\r\n\r\n'],
    ['a size with a space before', ' 2\r\n{}\r\n0\r\n\r\n'],
    ['no size', '\r\n{}\r\n0\r\n\r\n'],
    ['a chunk longer than its size', '1\r\n{}\r\n0\r\n\r\n'],
    ['a line feed alone after the size', '2\n{}\r\n0\r\n\r\n'],
    ['a line feed alone after the chunk', '2\r\n{}\n0\r\n\r\n'],
    ['a line feed alone in an extension', '2;a\nb\r\n{}\r\n0\r\n\r\n'],
    ['a flood of extensions', `2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`],
  ])('in a chunked body: %s', async (_, body) => {
    const statuses = statusesOf(await exchange(gateway.url, withHeaders('Transfer-Encoding: chunked\r\n', body + hidden)));
    expect(statuses).toHaveLength(1);
    expect([400, 413]).toContain(statuses[0]);
    await nextGoodRequestIsAnswered();
  });
});

describe('unusual requests that are no attack', () => {
  test.each([
    ['a chunked body in chunks of six bytes', chunks(6)],
    ['a chunked body byte by byte, with extensions and trailers', chunks(1, ';a=b', 'X-After: 1\r\n')],
    [
      'a body of a GET, which is not read',
      `GET /v2/health/live HTTP/1.1\r\nHost: x\r\nContent-Length: ${hidden.length}\r\nConnection: close\r\n\r\n${hidden}`,
    ],
    [
      'an upgrade to a web socket, which is not made',
      goodRequest('demand', { headers: 'Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n' }),
    ],
    [
      'an upgrade to HTTP/2, which is not made',
      goodRequest('demand', {
        headers: 'Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n',
      }),
    ],
    [
      'a query and a slash at the end',
      goodRequest('demand', { headers: 'Connection: close\r\n' }).replace('/infer ', '/infer/?test_1=1&__proto__=2 '),
    ],
    ['HTTP/1.0', goodRequest('demand').replace('HTTP/1.1', 'HTTP/1.0')],
  ])('%s: 200', async (_, bytes) => {
    expect(statusesOf(await exchange(gateway.url, bytes))).toEqual([200]);
    await nextGoodRequestIsAnswered();
  });

  function chunks(size: number, extension = '', trailers = ''): string {
    const good = goodRequest('demand');
    const body = good.slice(good.indexOf('\r\n\r\n') + 4);
    const parts = body.match(new RegExp(`.{1,${size}}`, 'gs'))!.map((part) => `${part.length.toString(16)}${extension}\r\n${part}\r\n`);
    return withHeaders('Transfer-Encoding: chunked\r\nConnection: close\r\n', `${parts.join('')}0\r\n${trailers}\r\n`);
  }

  test('a body that waits for 100 Continue gets it, and its answer', async () => {
    const raw = await openRaw(gateway.url);
    const good = goodRequest('demand', { headers: 'Expect: 100-continue\r\nConnection: close\r\n' });
    const head = good.slice(0, good.indexOf('\r\n\r\n') + 4);
    raw.socket.write(head);
    await raw.until((received) => received.includes('\r\n\r\n'));
    raw.socket.write(good.slice(head.length));
    expect(statusesOf(await raw.closed)).toEqual([100, 200]);
  });

  test('an expectation that cannot be met is answered 417', async () => {
    const bytes = goodRequest('demand', { headers: 'Expect: a-miracle\r\nConnection: close\r\n' });
    expect(statusesOf(await exchange(gateway.url, bytes))).toEqual([417]);
    await nextGoodRequestIsAnswered();
  });

  test.each([
    ['HEAD', '/v2/health/live', 200],
    ['HEAD', '/v2/models/demand/infer', 405],
    ['OPTIONS', '/v2/models/demand/infer', 405],
    ['OPTIONS', '*', 404],
    ['TRACE', '/v2/models/demand', 405],
    ['PUT', '/v2/models/demand', 405],
    ['PATCH', '/v2/models/demand/infer', 405],
    ['CONNECT', 'example.com:443', null],
    ['GET', 'http://example.com/v2/models', 404],
    ['GET', '//v2/models', 404],
    ['GET', '/v2/../v2/models', 404],
    ['GET', '/v2/%2e%2e/models', 404],
    ['GET', '/%zz', 404],
    ['GET', '/v2/models/%zz', 400],
    ['GET', '/v2/models/%00', 400],
    ['GET', '/v2/models/demand%0d%0aX-Injected:%201', 400],
    ['GET', '/v2/models/__proto__', 400],
    ['GET', '/v2/models/constructor', 404],
    ['GET', '/__proto__', 404],
    ['GET', `/v2/models/demand/${'x/'.repeat(4_000)}`, 404],
    ['GET', `/${'x'.repeat(15_000)}`, 404],
    ['GET', `/${'x'.repeat(40_000)}`, 431],
  ])('%s %s: %s', async (...[method, path, status]) => {
    const answer = await exchange(
      gateway.url,
      `${method} ${path} HTTP/1.1\r\nHost: x\r\nX-Secret: do-not-echo\r\nConnection: close\r\n\r\n`,
    );
    expect(statusesOf(answer)).toEqual(status === null ? [] : [status]);
    expect(answer).not.toContain('do-not-echo');
    expect(answer).not.toMatch(/^X-Injected/im);
    if (method === 'HEAD') expect(answer.endsWith('\r\n\r\n')).toBe(true);
    await nextGoodRequestIsAnswered();
  });
});

describe('many requests on one connection', () => {
  test('are answered in their order, wrong ones in between too', async () => {
    const raw = await openRaw(gateway.url);
    const wrong = goodRequest('demand', { body: '{"inputs":[' });
    const unknown = goodRequest('nothing');
    raw.socket.write([goodRequest('demand'), wrong, goodRequest('demand'), unknown, goodRequest('demand')].join('').repeat(20));
    raw.socket.write('GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const expected = Array.from({ length: 20 }, () => [200, 400, 200, 404, 200]).flat();
    expect(statusesOf(await raw.closed)).toEqual([...expected, 200]);
  });

  test('end with the first that cannot be read', async () => {
    const answer = await exchange(gateway.url, `GARBAGE\r\n\r\n${goodRequest('demand')}`);
    expect(statusesOf(answer)).toEqual([400]);
    await nextGoodRequestIsAnswered();
  });

  test.each([
    ['one large header', `X-Flood: ${'x'.repeat(20_000)}\r\n`],
    ['many small headers', Array.from({ length: 3_000 }, (_, i) => `X-${i}: y\r\n`).join('')],
  ])('a flood of headers (%s) is answered 431', async (_, headers) => {
    expect(statusesOf(await exchange(gateway.url, goodRequest('demand', { headers })))).toEqual([431]);
    await nextGoodRequestIsAnswered();
  });
});
