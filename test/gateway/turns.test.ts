import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { gatewayConfig } from '../../gateway/gateway-config.js';
import { httpServer } from '../../gateway/http/http-server.js';
import { json } from '../../gateway/http/reply.js';
import { RequestTurns } from '../../gateway/http/request-turns.js';
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

describe('a turn of requests', () => {
  /** What is answered in each turn while answers take this long, by a clock of the test's. */
  async function turnsOf(requests: number, answerMs: number, before: (turns: RequestTurns) => void): Promise<number[]> {
    let nowMs = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    try {
      const turns = new RequestTurns();
      const answered: number[] = [];
      let count = 0;
      before(turns);
      for (let i = 0; i < requests; i++)
        turns.later(() => {
          count++;
          nowMs += answerMs;
        });
      while (turns.waiting > 0) {
        count = 0;
        await new Promise((resolve) => setImmediate(resolve));
        answered.push(count);
        before(turns);
      }
      return answered;
    } finally {
      clock.mockRestore();
    }
  }

  test('takes five milliseconds', async () => {
    expect(await turnsOf(25, 0.5, () => undefined)).toEqual([10, 10, 5]);
  });

  test('is short while callers connect, since each turn accepts but one of them', async () => {
    expect(await turnsOf(6, 0.05, (turns) => turns.accepted())).toEqual([2, 2, 2]);
    expect(await turnsOf(2, 500, (turns) => turns.accepted())).toEqual([1, 1]);
  });

  test('is none for a request that need not wait, until it has taken its time', () => {
    let nowMs = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    const turns = new RequestTurns();
    expect(turns.isOpen()).toBe(true);
    nowMs = 4.9;
    expect(turns.isOpen()).toBe(true);
    nowMs = 5;
    expect(turns.isOpen()).toBe(false);
    clock.mockRestore();
  });

  test('answers what comes while it answers', async () => {
    const turns = new RequestTurns();
    let left = 5_000;
    const answer = (): void => {
      if (--left >= 10) turns.later(answer);
    };
    for (let i = 0; i < 10; i++) turns.later(answer);
    while (turns.waiting > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(left).toBe(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(turns.isOpen()).toBe(true);
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
