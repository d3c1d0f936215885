import { Agent, request } from 'node:http';
import { afterAll, describe, expect, test } from 'vitest';
import { ask, get, pairs, until } from './support/requests.js';
import { goodRequest, openRaw } from './support/raw-socket.js';
import { openStage } from './support/stage.js';

// One run at a time of a model that takes some 20 ms, and room for sixteen to wait: its capacity is soon reached.
const stage = await openStage();
await stage.addLive({ model: 'slow', version: '1.0.0', onnx: 'slow' });
const limits = { maxBatchRows: 1, maxWaiting: 16 };
const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, limits);

const agent = new Agent({ keepAlive: true });
afterAll(() => agent.destroy());

/** Asks a model over a kept connection; the fetch of Node would be the bottleneck here. */
function send(model: string, more: Record<string, unknown> = {}): Promise<{ status: number; retryAfter: string | undefined }> {
  const body = JSON.stringify(pairs([[1, 2]], more));
  return new Promise((resolve, reject) => {
    const call = request(`${gateway.url}/v2/models/${model}/infer`, { method: 'POST', agent, headers: { 'content-length': body.length } });
    call.on('response', (answer) => {
      answer.resume();
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, retryAfter: answer.headers['retry-after'] }));
    });
    call.on('error', reject);
    call.end(body);
  });
}

/** Callers that ask one after the other for a while, and pause a moment when refused; answers how many got which status. */
async function load(callers: number, model: string, durationMs: number): Promise<Map<number, number>> {
  const endMs = Date.now() + durationMs;
  const counts = new Map<number, number>();
  const caller = async () => {
    while (Date.now() < endMs) {
      const { status, retryAfter } = await send(model);
      counts.set(status, (counts.get(status) ?? 0) + 1);
      if (status === 503) {
        expect(retryAfter).toBe('1');
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return counts;
}

type Stats = { readonly model_stats: readonly { readonly inference_count: number; readonly execution_count: number }[] };
/** How many requests the slow model has run so far. */
async function runs(): Promise<number> {
  const { body } = await get<Stats>(`${gateway.url}/v2/models/slow/stats`);
  return body.model_stats[0]!.execution_count;
}

const asked = 8;

describe('ten times what a model can do', () => {
  test('costs at most a fifth of the answers, refuses the rest early, and leaves everybody else alone', async () => {
    let peak = 0;
    let kept = 0;
    let refused = 0;
    const healthy: number[] = [];
    const others: number[] = [];
    const rss = process.memoryUsage().rss;
    let over = false;
    const neighbours = (async () => {
      while (!over) {
        healthy.push((await fetch(`${gateway.url}/v2/health/ready`)).status);
        others.push((await ask(gateway, 'demand', [3, 4])).status);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    // In turns, so that what else the machine does falls on both alike.
    for (let turn = 0; turn < 3; turn++) {
      const alone = await load(asked, 'slow', 1_200);
      expect([...alone.keys()]).toEqual([200]);
      peak += alone.get(200) ?? 0;
      const flood = await load(asked * 10, 'slow', 1_200);
      expect([...flood.keys()].filter((status) => status !== 200 && status !== 503)).toEqual([]);
      kept += flood.get(200) ?? 0;
      refused += flood.get(503) ?? 0;
    }
    over = true;
    await neighbours;
    expect(refused).toBeGreaterThan(0);
    expect(kept / peak).toBeGreaterThan(0.8);
    expect(new Set(healthy)).toEqual(new Set([200]));
    expect(new Set(others)).toEqual(new Set([200]));
    expect(process.memoryUsage().rss - rss).toBeLessThan(300 * 1024 * 1024);
    // Nobody waits any more once nobody asks.
    const before = await runs();
    expect((await send('slow')).status).toBe(200);
    expect(await runs()).toBe(before + 1);
  });
});

describe('while a model is busy', () => {
  test('the urgent overtake those that wait, and the least urgent give way', async () => {
    const order: string[] = [];
    const tell = (who: string, answer: Promise<{ status: number }>) => answer.then(({ status }) => void order.push(`${who} ${status}`));
    const waiting = Array.from({ length: 16 }, () => tell('usual', send('slow')));
    await until(async () => (await waitingRequests()) >= 10);
    const urgent = tell('urgent', send('slow', { parameters: { priority: 1 } }));
    await Promise.all([...waiting, urgent]);
    expect(order.indexOf('urgent 200')).toBeGreaterThanOrEqual(0);
    expect(order.indexOf('urgent 200')).toBeLessThan(order.lastIndexOf('usual 200') - 3);
  });

  test('what is past its deadline is answered at once and never run', async () => {
    const before = await runs();
    const waiting = Array.from({ length: 8 }, () => send('slow'));
    const expired = Array.from({ length: 8 }, () => send('slow', { parameters: { timeout: 1_000 } }));
    expect(new Set((await Promise.all(expired)).map(({ status }) => status))).toEqual(new Set([504]));
    const answered = (await Promise.all(waiting)).filter(({ status }) => status === 200).length;
    expect(await runs()).toBe(before + answered);
  });

  test('who has gone is never run', async () => {
    const before = await runs();
    const first = Array.from({ length: 8 }, () => send('slow'));
    await until(async () => (await waitingRequests()) >= 4);
    const gone = await Promise.all(Array.from({ length: 6 }, () => openRaw(gateway.url)));
    for (const raw of gone) raw.socket.write(goodRequest('slow'));
    await until(async () => (await waitingRequests()) >= 6);
    for (const raw of gone) raw.socket.destroy();
    const answered = (await Promise.all(first)).filter(({ status }) => status === 200).length;
    expect((await send('slow')).status).toBe(200);
    expect(await runs()).toBeLessThan(before + answered + 1 + gone.length);
    expect(await runs()).toBeGreaterThanOrEqual(before + answered + 1);
  });
});

/** Requests for the slow model that wait or run, as `/metrics` tells. */
async function waitingRequests(): Promise<number> {
  const { body } = await get<string>(`${gateway.url}/metrics`);
  return Number(/^nv_inference_pending_request_count\{[^}]*model="slow"[^}]*\} (\d+)$/m.exec(String(body))?.[1] ?? Number.NaN);
}
