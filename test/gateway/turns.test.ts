import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { gatewayConfig } from '../../gateway/gateway-config.js';
import { httpServer } from '../../gateway/http/http-server.js';
import { json } from '../../gateway/http/reply.js';
import { ownTurn } from '../../gateway/own-turn.js';
import { get, post } from './support/front-cases.js';
import { openRaw } from './support/raw-socket.js';

const crowd = 40;
const workMs = 2;

/** What was answered, in order: the body of a request, or its path. */
const order: string[] = [];
let onAnswer: (body: string) => void = () => undefined;

/** Each request takes a while, in which nothing else can happen. */
const server = httpServer(gatewayConfig({ id: 'turns', host: '127.0.0.1', port: 0, folder: '', drainNoticeMs: 0 }), (request) => {
  const what = 'body' in request && request.body.length > 0 ? request.body.toString() : String(request.url);
  order.push(what);
  onAnswer(what);
  const until = performance.now() + workMs;
  while (performance.now() < until);
  return json(200, { what });
});
const url = await server.listen();
afterAll(() => server.close(0));

/** Connections that the server has taken, each answered once. */
async function connections(count: number) {
  const opened = await Promise.all(Array.from({ length: count }, () => openRaw(url)));
  for (const { socket, until } of opened) {
    socket.write(get('/opened'));
    await until((received) => received.includes('/opened'));
  }
  order.length = 0;
  return opened;
}

beforeEach(() => {
  onAnswer = () => undefined;
});

describe('while many ask at once', () => {
  test.each(['/v2/health/live', '/v2/health/ready', '/ping', '/'])('who asks for %s waits for few of them', async (path) => {
    const opened = await connections(crowd + 1);
    const last = opened.at(-1)!;
    const asked = Array.from({ length: crowd }, (_, i) => `{"i":${i}}`);
    asked.forEach((body, i) => opened[i]!.socket.write(post(body)));
    last.socket.write(get(path));
    await Promise.all(opened.map(({ until }) => until((received) => received.split('HTTP/1.1 200 ').length === 3)));
    expect(order.indexOf(path)).toBeLessThan(crowd / 2);
    // The others are answered in the order in which they came.
    expect(order.filter((what) => what !== path)).toEqual(asked);
    for (const { socket } of opened) socket.destroy();
  });

  test('who has gone when his turn comes is not answered', async () => {
    const opened = await connections(crowd);
    const gone = opened.at(-1)!;
    // By then all were read, and the last one's turn is not near.
    let waiting = 0;
    onAnswer = (body) => {
      if (body !== '{"i":9}') return;
      waiting = server.waiting;
      gone.socket.resetAndDestroy();
    };
    opened.forEach(({ socket }, i) => socket.write(post(`{"i":${i}}`)));
    await Promise.all(opened.slice(0, -1).map(({ until }) => until((received) => received.split('HTTP/1.1 200 ').length === 3)));
    expect(waiting).toBe(crowd - 10);
    expect(order).toHaveLength(crowd - 1);
    expect(order).not.toContain(`{"i":${crowd - 1}}`);
    for (const { socket } of opened) socket.destroy();
    await gone.closed;
  });
});

describe('turns of one’s own', () => {
  test('are one for each, in the order in which they were asked for', async () => {
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    const had: [who: number, turn: number][] = [];
    await Promise.all(
      [0, 1, 2].map(async (who) => {
        for (let i = 0; i < 3; i++) {
          await ownTurn();
          had.push([who, turns]);
        }
      }),
    );
    isOver = true;
    expect(had.map(([who]) => who)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2]);
    expect(new Set(had.map(([, turn]) => turn)).size).toBe(9);
  });
});
