import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { HeldRefusals } from '../../gateway/http/held-refusals.js';
import { ask, get, pairs, post, until } from './support/requests.js';
import { openStage } from './support/stage.js';

// One run at a time of a model that takes some 20 ms, and room for eight to wait.
const stage = await openStage();
await stage.addLive({ model: 'slow', version: '1.0.0', onnx: 'slow' });
const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { maxBatchRows: 1, maxWaiting: 8 });
const url = `${gateway.url}/v2/models/slow/infer`;

const metric = async (name: string): Promise<number> => {
  const { body } = await get<string>(`${gateway.url}/metrics`);
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(String(body))?.[1] ?? 0);
};
const waiting = () => metric('nv_inference_pending_request_count\\{[^}]*model="slow"[^}]*\\}');
const overloaded = () => metric('model_prediction_errors_total\\{[^}]*model_name="slow"[^}]*error_type="overloaded"[^}]*\\}');

/** Rows that take the model some 200 ms: long enough for what is to be done before the next one is let in. */
const manyRows = pairs(Array.from({ length: 10 }, () => [1, 2] as const));

/** Fills the queue, does something, and waits until all is answered. */
async function whileFull<T>(act: () => Promise<T>): Promise<T> {
  let asking = 0;
  const crowd: Promise<unknown>[] = [];
  const join = (): void => {
    asking++;
    crowd.push(post(url, manyRows).finally(() => asking--));
  };
  await until(async () => {
    while (asking < 30) join();
    return (await waiting()) >= 8;
  });
  const done = await act();
  await Promise.all(crowd);
  return done;
}

describe('while the queue of a model is full', () => {
  test('a request is refused before anything is done for it, and good for what it is afterwards', async () => {
    const wrong = { inputs: 'none of them' };
    expect((await whileFull(() => post(url, wrong))).status).toBe(503);
    expect((await post(url, wrong)).status).toBe(400);
    expect((await ask(gateway, 'slow', [1, 2])).status).toBe(200);
  });

  test('one that says that it is urgent is read, and overtakes', async () => {
    const urgent = await whileFull(() => post(url, pairs([[1, 2]], { parameters: { priority: 1 } })));
    expect(urgent.status).toBe(200);
  });

  test('the refused are counted as errors of the version, and take no room among the captures', async () => {
    stage.registry.stored.length = 0;
    const before = await overloaded();
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask(gateway, 'slow', [1, 2])));
    const refused = answers.filter(({ status }) => status === 503).length;
    expect(refused).toBeGreaterThan(0);
    expect((await overloaded()) - before).toBe(refused);
    await until(() => Promise.resolve(stage.registry.stored.filter(({ error }) => error === null).length >= 60 - refused));
    expect(stage.registry.stored.filter(({ error }) => error === 'overloaded')).toEqual([]);
  });

  test('other models answer', async () => {
    expect((await whileFull(() => ask(gateway, 'demand', [3, 4]))).status).toBe(200);
  });
});

describe('held refusals', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const held = (count: number) => {
    const refusals = new HeldRefusals();
    const sent: number[] = [];
    for (let i = 0; i < count; i++) refusals.hold(() => void sent.push(i));
    return { refusals, sent };
  };

  test('go out in their order, a bounded number at once', () => {
    const { refusals, sent } = held(600);
    expect(sent).toEqual([]);
    vi.advanceTimersByTime(25);
    expect(sent).toHaveLength(250);
    expect(refusals.isHolding).toBe(true);
    vi.advanceTimersByTime(50);
    expect(sent).toEqual(Array.from({ length: 600 }, (_, i) => i));
    expect(refusals.isHolding).toBe(false);
  });

  test('go out more slowly while the process is busy, and none later than its time', () => {
    const { sent } = held(4_000);
    const counts: number[] = [];
    // Each beat comes 20 ms late.
    const now = vi.spyOn(performance, 'now');
    let lateMs = 0;
    now.mockImplementation(() => Date.now() + (lateMs += 20));
    for (let beat = 0; beat < 20; beat++) {
      const before = sent.length;
      vi.advanceTimersByTime(25);
      counts.push(sent.length - before);
    }
    now.mockRestore();
    expect(counts[0]).toBe(125);
    expect(counts.every((count, beat) => beat === 0 || count <= counts[beat - 1]!)).toBe(true);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(Math.floor((4_000 - sent.length) / 80));
  });

  test('that come after all were sent begin anew', () => {
    const { refusals, sent } = held(1);
    vi.advanceTimersByTime(25);
    refusals.hold(() => void sent.push(7));
    vi.advanceTimersByTime(24);
    expect(sent).toEqual([0]);
    vi.advanceTimersByTime(1);
    expect(sent).toEqual([0, 7]);
  });
});
