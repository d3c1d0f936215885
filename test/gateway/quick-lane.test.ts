import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { afterAll, describe, expect, test } from 'vitest';
import { get, post, unusual, usual } from './support/front-cases.js';
import { answersOf, echo, inspect, openFronts, talk } from './support/two-fronts.js';

const fronts = await openFronts(echo);
afterAll(() => fronts.close());

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

/** What both answer to the same pieces, which has to be the same to the byte. */
async function answerOf(pieces: readonly Buffer[]): Promise<string> {
  const [quick, plain] = await Promise.all([talk(fronts.quickUrl, pieces), talk(fronts.plainUrl, pieces)]);
  expect(quick, inspect(pieces)).toBe(plain);
  return quick;
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

  test('is where the requests of everyday clients go', async () => {
    const body = '{"a":1}';
    const before = fronts.quickly();
    const fetched = await fetch(`${fronts.quickUrl}/v2`, { method: 'POST', body, headers: { authorization: 'Bearer x' } });
    expect(((await fetched.json()) as { body: string }).body).toBe(body);
    expect(fronts.quickly()).toBe(before + 1);
    const agent = new Agent({ keepAlive: true });
    for (let i = 0; i < 3; i++) {
      const call = request(`${fronts.quickUrl}/v2`, { method: 'POST', agent, headers: { 'content-type': 'application/json' } });
      call.end(body);
      const [answer] = (await once(call, 'response')) as [IncomingMessage];
      expect(((await json(answer)) as { body: string }).body).toBe(body);
    }
    agent.destroy();
    expect(fronts.quickly()).toBe(before + 4);
    // As requests (Python), curl, and a probe of Kubernetes send them.
    const python =
      'User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept: */*\r\nConnection: keep-alive\r\n';
    await answerOf([bytesOf(post(body, { headers: python }))]);
    await answerOf([bytesOf(get('/v2', 'User-Agent: curl/8.5.0\r\nAccept: */*\r\n'))]);
    await answerOf([bytesOf(get('/v2', 'User-Agent: kube-probe/1.31\r\nAccept: */*\r\nConnection: close\r\n'))]);
    expect(fronts.quickly()).toBe(before + 7);
  });
});
