import { afterAll, describe, expect, test } from 'vitest';
import { mutate } from './fuzz/mutate.js';
import { Random } from './fuzz/random.js';
import { echo, openFronts, talk } from './support/two-fronts.js';

const fronts = await openFronts(echo);
afterAll(() => fronts.close());

const post = (body: string, { path = '/v2', headers = '' } = {}) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`;
const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;

/** Requests that the quick lane answers itself. */
const usual: readonly (readonly [string, string])[] = [
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
const unusual: readonly (readonly [string, string])[] = [
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

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

/** What both answer to the same pieces, which has to be the same to the byte. */
async function answerOf(pieces: readonly Buffer[]): Promise<string> {
  const [quick, plain] = await Promise.all([talk(fronts.quickUrl, pieces), talk(fronts.plainUrl, pieces)]);
  expect(quick, inspect(pieces)).toBe(plain);
  return quick;
}

function inspect(pieces: readonly Buffer[]): string {
  return JSON.stringify(pieces.map((piece) => piece.toString('latin1').slice(0, 2_000)));
}

describe('the quick lane', () => {
  test.each(usual)('answers %s itself, as node:http would', async (_, text) => {
    const before = fronts.quickly();
    expect(await answerOf([bytesOf(text)])).toMatch(/^HTTP\/1\.1 (200|404) /);
    expect(fronts.quickly()).toBe(before + 1);
  });

  test.each(unusual)('leaves %s to node:http', async (_, text) => {
    const before = fronts.quickly();
    await answerOf([bytesOf(text)]);
    expect(fronts.quickly()).toBe(before);
  });

  test.each(usual)('reads %s cut anywhere', async (_, text) => {
    const bytes = bytesOf(text);
    for (let at = 1; at < bytes.length; at++)
      expect(await answerOf([bytes.subarray(0, at), bytes.subarray(at)])).toMatch(/^HTTP\/1\.1 (200|404) /);
  });

  test.each(unusual.filter(([, text]) => text.length < 300))('leaves %s to node:http wherever it is cut', async (_, text) => {
    const bytes = bytesOf(text);
    for (let at = 1; at < bytes.length; at++) await answerOf([bytes.subarray(0, at), bytes.subarray(at)]);
  });

  test.each(unusual)('hands a connection over with %s after usual requests', async (_, text) => {
    const before = fronts.quickly();
    await answerOf([bytesOf(post('{"first":1}')), bytesOf(get('/v2')), bytesOf(text), bytesOf(post('{"last":1}'))]);
    expect(fronts.quickly()).toBe(before + 2);
  });

  test('answers a hundred requests of one connection, each in its turn', async () => {
    const before = fronts.quickly();
    const bodies = Array.from({ length: 100 }, (_, i) => JSON.stringify({ turn: 10 ** (i % 7), x: 'y'.repeat(i) }));
    const received = await answerOf(bodies.map((body) => bytesOf(post(body))));
    const told = answersOf(received).map((one) => one.slice(one.indexOf('\r\n\r\n')));
    expect(told.map((text) => (JSON.parse(text) as { body: string }).body)).toEqual(bodies);
    expect(fronts.quickly()).toBe(before + 100);
  });

  test('reads a body of many pieces', async () => {
    const bytes = bytesOf(post('z'.repeat(60_000)));
    const pieces = Array.from({ length: 40 }, (_, i) => bytes.subarray((i * bytes.length) / 40, ((i + 1) * bytes.length) / 40));
    const before = fronts.quickly();
    expect(await answerOf(pieces)).toMatch(/^HTTP\/1\.1 200 /);
    expect(fronts.quickly()).toBe(before + 1);
  });
});

const answersOf = (received: string): string[] => received.split(/(?=HTTP\/1\.1 \d{3} )/);

/**
 * Whether two fronts answered alike. Where something that cannot be read comes together with requests before it, it is a matter
 * of the moment in node:http whether those are answered before the refusal, and whether there is one behind a last answer: so one
 * may have answered more than the other when both refuse, and one may refuse when both have closed the connection.
 */
function agree(quick: string, plain: string): boolean {
  if (quick === plain) return true;
  const [one, other] = [answersOf(quick), answersOf(plain)];
  const refused = [one, other].map((answers) => answers.at(-1)?.includes('no HTTP request that can be read') === true && answers.pop());
  const [fewer, more] = one.length < other.length ? [one, other] : [other, one];
  if (!fewer.every((answer, i) => answer === more[i])) return false;
  if (refused[0] === refused[1]) return refused[0] !== false;
  return fewer.length === more.length && fewer.at(-1)?.includes('\r\nConnection: close\r\n') === true;
}

const seed = Number(process.env['FUZZ_SEED'] ?? 1);
const seconds = Number(process.env['FUZZ_SECONDS'] ?? 0);

test(`whatever comes is answered as by node:http alone (seed ${seed})`, { timeout: 3_600_000 }, async () => {
  const texts = [...usual, ...unusual.filter(([, text]) => text.length < 1_000)].map(([, text]) => text);
  const endMs = Date.now() + seconds * 1_000;
  let next = 0;
  const lane = async () => {
    while (seconds > 0 ? Date.now() < endMs : next < 2_000) {
      const random = new Random(seed * 5_000_011 + next++);
      const whole = bytesOf(Array.from({ length: 1 + random.below(3) }, () => random.of(texts)).join(''));
      const bytes = random.below(8) === 0 ? whole : mutate(whole, random);
      const cuts = Array.from({ length: random.below(4) }, () => random.below(bytes.length + 1)).sort((a, b) => a - b);
      const pieces = [...cuts, bytes.length].map((cut, i) => bytes.subarray(cuts[i - 1] ?? 0, cut)).filter((piece) => piece.length > 0);
      const quick = await talk(fronts.quickUrl, pieces);
      const plain = await talk(fronts.plainUrl, pieces);
      if (!agree(quick, plain)) expect(quick, `case ${next} of seed ${seed}: ${inspect(pieces)}`).toBe(plain);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  expect(next).toBeGreaterThan(0);
});
