import { describe, expect, it } from 'vitest';
import type { Capture } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import { CaptureBuffer } from '../../gateway/watching/capture-buffer.js';
import { LoopPressure } from '../../gateway/watching/loop-pressure.js';
import { ask, get, pairs, post, until } from './support/requests.js';
import { openStage } from './support/stage.js';

const hour = 1_317_427_200_000;

describe('captures', () => {
  it('keep id, version, generation, key, subject, time, latency, prediction and inputs of every row', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
    const request = pairs(
      [
        [1, 2],
        [3, 4],
      ],
      { parameters: { key: 'anna' } },
    );
    const { body } = await post(`${gateway.url}/v2/models/demand/infer`, request);
    expect((await post<Record<string, number>>(`${gateway.url}/v2/captures/flush`, {})).body).toMatchObject({
      written: 2,
      dropped: 0,
      waiting: 0,
    });
    const ids = body.parameters.prediction_ids.split(',');
    expect(stage.registry.stored).toMatchObject([
      {
        id: ids[0],
        model: 'demand',
        version: '1.0.0',
        shadow: false,
        generation: 1,
        key: 'anna',
        subject: `${hour}`,
        eventTimeMs: hour,
        predicted: 21,
        error: null,
        inputs: { hour, a: 1, b: 2 },
      },
      { id: ids[1], subject: `${hour + 3_600_000}`, eventTimeMs: hour + 3_600_000, predicted: 43, inputs: { a: 3, b: 4 } },
    ]);
    expect(stage.registry.stored[0]!.latencyMs).toBeGreaterThan(0);
    expect(stage.registry.stored[0]!.latencyMs).toBe(stage.registry.stored[1]!.latencyMs);
  });

  it('are all stored when the gateway stops', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { captureEveryMs: 60_000 });
    await Promise.all(Array.from({ length: 100 }, () => ask(gateway, 'demand')));
    expect(stage.registry.stored).toHaveLength(0);
    await gateway.stop();
    expect(stage.registry.stored).toHaveLength(100);
  });

  it('wait in memory while the store is away, and never hold up an answer', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { drainLimitMs: 200 });
    stage.registry.away = true;
    expect((await Promise.all(Array.from({ length: 50 }, () => ask(gateway, 'demand')))).every(({ status }) => status === 200)).toBe(true);
    expect(await post(`${gateway.url}/v2/captures/flush`, {})).toMatchObject({
      status: 503,
      body: { error: expect.stringContaining('50 captures are not stored after 200 ms') },
    });
    stage.registry.away = false;
    await until(() => stage.registry.stored.length === 50);
  });
});

describe('the capture buffer', () => {
  const capture = (id: string): Capture => ({
    id,
    model: 'm',
    version: '1',
    shadow: false,
    generation: 1,
    key: null,
    subject: id,
    eventTimeMs: 0,
    atMs: 0,
    latencyMs: 1,
    predicted: 1,
    error: null,
    inputs: {},
  });
  const label = () => Promise.reject(new Error('not here'));

  it('drops and counts what it has no room for', async () => {
    const written: string[] = [];
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const write = async (captures: readonly Capture[]) => {
      await opened;
      written.push(...captures.map(({ id }) => id));
    };
    const buffer = new CaptureBuffer({ write, label }, { everyMs: 1, batchRows: 10, maxRows: 25, busyAfterMs: Infinity });
    for (let i = 0; i < 40; i++) buffer.add(capture(`${i}`));
    expect(buffer).toMatchObject({ waiting: 25, dropped: 15 });
    open();
    await buffer.flush(5_000);
    expect(written).toEqual(Array.from({ length: 25 }, (_, i) => `${i}`));
    expect(buffer).toMatchObject({ waiting: 0, written: 25 });
  });

  it('are thinned out by request, alike everywhere, when they come faster than the store takes them', () => {
    const blocked = () => {
      const buffer = new CaptureBuffer(
        { write: () => new Promise(() => undefined), label },
        { everyMs: 60_000, batchRows: 1_000_000, maxRows: 2_000, busyAfterMs: Infinity },
      );
      const kept: string[] = [];
      for (let i = 0; i < 6_000; i++) {
        if (!buffer.admits(`request ${i}`)) continue;
        kept.push(`request ${i}`);
        buffer.add(capture(`${i}`));
      }
      return { buffer, kept };
    };
    const [one, other] = [blocked(), blocked()];
    expect(one.kept.slice(0, 200)).toEqual(Array.from({ length: 200 }, (_, i) => `request ${i}`));
    expect(one.kept).toEqual(other.kept);
    expect(one.buffer.dropped).toBe(0);
    expect(one.buffer.sampledOut).toBe(6_000 - one.kept.length);
    expect(one.kept.length).toBeGreaterThan(1_000);
    expect(one.kept.length).toBeLessThan(2_000);
  });

  it('are thinned out while the thread has no time to spare, never to nothing, and whole again when it has', () => {
    let busy = 0.5;
    const pressure = new LoopPressure(1_000, () => busy);
    const buffer = new CaptureBuffer(
      { write: async () => undefined, label },
      { everyMs: 60_000, batchRows: 1_000, maxRows: 100_000, busyAfterMs: 1_000 },
      pressure,
    );
    const admitted = () => Array.from({ length: 1_000 }, (_, i) => buffer.admits(`request ${i}`)).filter(Boolean).length;
    pressure.look();
    expect(admitted()).toBe(1_000);
    busy = 1;
    // Two looks until a second of work says more than the calm before it; then the time that it may be busy on end.
    for (let i = 0; i < 6; i++) pressure.look();
    expect(admitted()).toBe(1_000);
    pressure.look();
    expect(admitted()).toBeGreaterThan(400);
    expect(admitted()).toBeLessThan(560);
    for (let i = 0; i < 100; i++) pressure.look();
    expect(admitted()).toBeGreaterThan(25);
    expect(admitted()).toBeLessThan(80);
    // Neither one calm moment nor a load in between makes it whole.
    busy = 0.3;
    pressure.look();
    busy = 0.75;
    for (let i = 0; i < 20; i++) pressure.look();
    expect(admitted()).toBeLessThan(80);
    busy = 0.1;
    for (let i = 0; i < 20; i++) pressure.look();
    expect(admitted()).toBe(1_000);
    buffer.close();
  });

  it('tries again what failed for a while, in order, and gives up what the store refuses for good', async () => {
    const written: string[] = [];
    const failures = [
      new Error('the connection broke'),
      new PerennialError('Unavailable', 'away'),
      new PerennialError('Conflict', 'refused'),
    ];
    const write = async (captures: readonly Capture[]) => {
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      written.push(...captures.map(({ id }) => id));
    };
    const buffer = new CaptureBuffer({ write, label }, { everyMs: 1, batchRows: 1, maxRows: 100, busyAfterMs: Infinity });
    buffer.add(capture('refused'));
    await until(() => buffer.dropped === 1);
    buffer.add(capture('a'));
    buffer.add(capture('b'));
    await buffer.flush(5_000);
    expect(written).toEqual(['a', 'b']);
    expect(buffer).toMatchObject({ dropped: 1, written: 2, lastFailure: null });
  });
});

describe('labels', () => {
  const features = [
    { kind: 'input', name: 'a', column: 'a' },
    { kind: 'lag', name: 'lag1', agoMs: 3_600_000 },
  ] as const;

  it('by id or by subject become outcomes that the next request sees', async () => {
    const stage = await openStage();
    const gateway = await stage.serve(
      [{ model: 'demand', version: '1.0.0', onnx: 'linear', spec: { features } }],
      {},
      { captureEveryMs: 60_000 },
    );
    const ask2 = () =>
      post(
        `${gateway.url}/v2/models/demand/infer`,
        pairs([
          [1, 0],
          [2, 0],
        ]),
      );
    // The lag of both hours is unknown, so the model has nothing to answer from: it says so instead of inventing a figure.
    expect(await ask2()).toMatchObject({ status: 500, body: { error: 'the model answered NaN for row 0: a finite number is expected' } });
    stage.registry.addOutcomes('demand', [
      { timeMs: hour - 3_600_000, value: 5 },
      { timeMs: hour, value: 6 },
    ]);
    await until(async () => (await ask2()).status === 200);
    const first = await ask2();
    expect(first.body.outputs[0]!.data).toEqual([51, 62]);
    const id = first.body.parameters.prediction_ids.split(',')[0]!;
    const answer = await post<Record<string, unknown>>(`${gateway.url}/v2/models/demand/labels`, {
      labels: [
        { id, value: 9 },
        { subject: `${hour}`, value: 9 },
        { subject: hour, value: 10 },
        { id: 'unknown', value: 1 },
      ],
    });
    expect(answer).toMatchObject({
      status: 200,
      body: {
        stored: 2,
        labels: [
          { outcome: 'stored' },
          { outcome: 'stored' },
          { outcome: 'refused', reason: 'it is labelled 9 already' },
          { outcome: 'refused', reason: 'no such prediction' },
        ],
      },
    });
    expect((await ask2()).body.outputs[0]!.data).toEqual([51, 92]);
  });

  it.each([
    [{}, /\{"labels"/],
    [{ labels: [] }, /labels is empty/],
    [{ labels: [1] }, /labels\[0\] is a number/],
    [{ labels: [{ id: 'x' }] }, /labels\[0\].value is missing: a finite number/],
    [
      {
        labels: [
          { id: 'x', value: 1 },
          { id: 'x', value: null },
        ],
      },
      /labels\[1\].value is null/,
    ],
    [{ labels: [{ value: 1 }] }, /either "id" or "subject"/],
    [{ labels: [{ id: 'x', subject: 'y', value: 1 }] }, /either "id" or "subject"/],
    [{ labels: [{ id: 7, value: 1 }] }, /labels\[0\].id is a number: text/],
    [{ labels: [{ subject: 'x', value: 1, event_time_ms: 1.5 }] }, /event_time_ms/],
  ])('in a wrong form are refused: %j', async (body, message) => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
    expect(await post(`${gateway.url}/v2/models/demand/labels`, body)).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(message) },
    });
    expect((await get(`${gateway.url}/v2/health/live`)).status).toBe(200);
  });

  it('of an unknown model are not taken', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
    expect((await post(`${gateway.url}/v2/models/other/labels`, { labels: [{ id: 'x', value: 1 }] })).status).toBe(404);
  });
});
