export const post = (body: string, { path = '/v2', headers = '' } = {}) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`;
export const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;

/** Requests that the quick lane answers itself. */
export const usual: readonly (readonly [string, string])[] = [
  ['a POST', post('{"a":1}')],
  ['a POST without a body', post('')],
  ['a GET', get('/v2/health/live')],
  ['a query', get('/v2?a=1&b=%20c')],
  ['an answer with headers', get('/more')],
  ['another status', get('/missing')],
  ['spaces and tabs around a value', get('/v2', 'X-A: \t b \t\r\nX-B:c\r\nX-C:\r\n')],
  ['names in any case', get('/v2', 'USER-AGENT: a b\r\naccept-encoding: gzip\r\nconstructor: x\r\n')],
  ['keep-alive', get('/v2', 'Connection: Keep-Alive\r\n')],
  ['close', post('{"a":1}', { headers: 'Connection: close\r\n' })],
];

/** Requests that it leaves to node:http. */
export const unusual: readonly (readonly [string, string])[] = [
  ['chunks', 'POST /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'],
  ['chunks and a length', 'POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'],
  ['two lengths', `POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 2\r\n\r\n{}`],
  ['a length with a sign', 'POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}'],
  ['a length with zeros before', 'POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 002\r\n\r\n{}'],
  ['a length of a GET', get('/v2', 'Content-Length: 2\r\n') + '{}'],
  ['no length', 'POST /v2 HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a header twice', get('/v2', 'X-A: b\r\nX-A: c\r\n')],
  ['two hosts', get('/v2', 'Host: y\r\n')],
  ['no host', 'GET /v2 HTTP/1.1\r\n\r\n'],
  ['a folded line', get('/v2', 'X-A: b\r\n c\r\n')],
  ['line feeds alone', get('/v2').replaceAll('\r\n', '\n')],
  ['a line feed in a header', get('/v2', 'X-A: b\nX-B: c\r\n')],
  ['a space before the colon', get('/v2', 'X-A : b\r\n')],
  ['bytes beyond ASCII', get('/v2', 'X-A: \xe9\r\n')],
  ['a control character', get('/v2', 'X-A: \x01\r\n')],
  ['HTTP/1.0', get('/v2').replace('HTTP/1.1', 'HTTP/1.0')],
  ['HTTP/0.9', 'GET /v2\r\n\r\n'],
  ['the whole address', get('http://x/v2')],
  ['a fragment', get('/v2#a')],
  ['HEAD', get('/v2').replace('GET', 'HEAD')],
  ['DELETE', get('/v2').replace('GET', 'DELETE')],
  ['a method in small letters', get('/v2').replace('GET', 'get')],
  ['an expectation', post('{}', { headers: 'Expect: 100-continue\r\n' })],
  ['an upgrade', get('/v2', 'Connection: Upgrade\r\nUpgrade: websocket\r\n')],
  ['two wishes for the connection', get('/v2', 'Connection: keep-alive, close\r\n')],
  ['a proxy’s wish for the connection', get('/v2', 'Proxy-Connection: close\r\n')],
  ['a packed body', post('{}', { headers: 'Content-Encoding: identity\r\n' })],
  ['__proto__', get('/v2', '__proto__: x\r\n')],
  ['an empty line before', `\r\n${get('/v2')}`],
  ['two requests at once', post('{"a":1}') + post('{"b":2}')],
  ['many headers', get('/v2', Array.from({ length: 200 }, (_, i) => `X-${i}: y\r\n`).join(''))],
  ['a long header', get('/v2', `X-A: ${'x'.repeat(10_000)}\r\n`)],
  ['headers that are too long', get('/v2', `X-A: ${'x'.repeat(20_000)}\r\n`)],
  ['a large body', post('x'.repeat(100_000))],
  ['a body that is too large', post('x'.repeat(250_000))],
  ['garbage', 'GARBAGE\r\n\r\n'],
];
