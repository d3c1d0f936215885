import { describe, expect, it } from 'vitest';
import type { Stage } from './support/stage.js';
import type { Gateway } from '../../gateway/gateway.js';
import { ask, get, pairs, post, until } from './support/requests.js';
import { openStage } from './support/stage.js';

const half = [
  { version: '1.0.0', weight: 0.5 },
  { version: '1.0.1', weight: 0.5 },
];

/** A canary of the `linear` champion with a challenger from the named fixture, half the traffic each. */
async function canary(onnx: string, settings: Parameters<Stage['serve']>[2] = {}): Promise<{ stage: Stage; gateway: Gateway }> {
  const stage = await openStage();
  const gateway = await stage.serve(
    [
      { model: 'demand', version: '1.0.0', onnx: 'linear' },
      { model: 'demand', version: '1.0.1', onnx },
    ],
    { variants: half },
    settings,
  );
  return { stage, gateway };
}

describe('a challenger in a canary', () => {
  it.each([
    ['fails', { onnx: 'failing', pair: [500, 0] as const, error: 'inferenceFailed' }],
    ['answers NaN', { onnx: 'not-a-number', pair: [-5, 0] as const, error: 'notFinite' }],
  ])('that %s costs no request: the champion answers in the same request, and the error is captured', async (_, { onnx, pair, error }) => {
    const { stage, gateway } = await canary(onnx);
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask(gateway, 'demand', pair)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    for (const { body } of answers)
      expect(body).toMatchObject({ model_version: '1.0.0', parameters: { variant: 'champion' }, outputs: [{ data: [pair[0]] }] });
    await post(`${gateway.url}/v2/captures/flush`, {});
    const failed = stage.registry.stored.filter(({ version }) => version === '1.0.1');
    expect(failed.length).toBeGreaterThan(5);
    for (const capture of failed) expect(capture).toMatchObject({ predicted: null, error, shadow: false });
    expect(stage.registry.stored.filter(({ version }) => version === '1.0.0').every((capture) => capture.error === null)).toBe(true);
    const ids = new Set(answers.map(({ body }) => body.parameters.prediction_ids));
    expect(failed.every(({ id }) => ids.has(id))).toBe(true);
    const { body: metrics } = await get<string>(`${gateway.url}/metrics`);
    expect(metrics).toContain(`gateway_fallbacks_total{model_name="demand",version="1.0.1"} ${failed.length}`);
  });

  it('that is too late costs no request either', async () => {
    const { stage, gateway } = await canary('slow', { challengerLimitMs: 1 });
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(gateway, 'demand')));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    await post(`${gateway.url}/v2/captures/flush`, {});
    const late = stage.registry.stored.filter(({ error }) => error === 'timeout');
    expect(late.length).toBeGreaterThan(0);
    expect(late.every(({ version }) => version === '1.0.1')).toBe(true);
  });

  it('that only one request of a batch breaks answers the others', async () => {
    const { gateway } = await canary('failing');
    const ask101 = (a: number) => post(`${gateway.url}/v2/models/demand/versions/1.0.1/infer`, pairs([[a, 0]]));
    const answers = await Promise.all([ask101(1), ask101(500), ask101(2), ask101(3)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 500, 200, 200]);
    expect(answers[3]!.body.outputs[0]!.data).toEqual([2003]);
    expect(answers[1]!.body.error).toMatch(/^the model failed: .*out of data bounds/);
  });

  it('asked for by version it fails as itself: a ModelError on the SageMaker route', async () => {
    const { gateway } = await canary('failing');
    const answer = await post<Record<string, unknown>>(
      `${gateway.url}/endpoints/demand/invocations`,
      { instances: [[0, 500, 0]] },
      { 'X-Amzn-SageMaker-Target-Variant': 'challenger' },
    );
    expect(answer.status).toBe(424);
    expect(answer.headers.get('x-amzn-errortype')).toBe('ModelError');
    expect(answer.body).toMatchObject({ OriginalStatusCode: 500, OriginalMessage: expect.stringContaining('out of data bounds') });
  });

  it('with another signature does not refuse what the champion takes', async () => {
    const stage = await openStage();
    const spec = {
      request: [{ name: 'a', datatype: 'FP64' }],
      features: [
        { kind: 'input', name: 'a', column: 'a' },
        { kind: 'input', name: 'a2', column: 'a' },
      ],
      eventTimeField: null,
      subject: [],
    } as const;
    const versions = [
      { model: 'demand', version: '1.0.0', onnx: 'linear' },
      { model: 'demand', version: '1.0.1', onnx: 'linear', spec },
    ];
    const gateway = await stage.serve(versions, { variants: half });
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(gateway, 'demand')));
    expect(answers.every(({ status, body }) => status === 200 && body.model_version === '1.0.0')).toBe(true);
  });
});

describe('a costly model', () => {
  it('runs in a thread, chosen by what it took at warm-up, and a cheap one in place', async () => {
    const { gateway } = await canary('slow');
    const { body } = await get<{ loaded: { version: string; placement: string }[] }>(`${gateway.url}/v2/models/demand/route`);
    expect(Object.fromEntries(body.loaded.map(({ version, placement }) => [version, placement]))).toEqual({
      '1.0.0': 'inPlace',
      '1.0.1': 'thread',
    });
    expect((await post(`${gateway.url}/v2/models/demand/versions/1.0.1/infer`, pairs([[1, 2]]))).body.outputs[0]!.data).toEqual([3021]);
  });

  it('that computes too long is given up, and the rest goes on', async () => {
    const { gateway } = await canary('slow', { answerLimitMs: 2, challengerLimitMs: 1, loadLimitMs: 60_000 });
    const pinned = () => post(`${gateway.url}/v2/models/demand/versions/1.0.1/infer`, pairs([[1, 2]]));
    for (let i = 0; i < 3; i++) expect((await pinned()).status).toBeGreaterThanOrEqual(500);
    expect((await ask(gateway, 'demand')).body).toMatchObject({ model_version: '1.0.0' });
  });

  it('refuses early when too many wait for it', async () => {
    const { gateway } = await canary('slow', { maxWaiting: 2 });
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => post(`${gateway.url}/v2/models/demand/versions/1.0.1/infer`, pairs([[1, 2]]))),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses).toContain(200);
    expect(statuses).toContain(503);
    expect(answers.find(({ status }) => status === 503)!.headers.get('retry-after')).toBe('1');
    expect((await ask(gateway, 'demand')).status).toBe(200);
  });
});

describe('a shadow', () => {
  const shadowed = async (onnx: string, settings: Parameters<Stage['serve']>[2] = {}) => {
    const stage = await openStage();
    const gateway = await stage.serve(
      [
        { model: 'demand', version: '1.0.0', onnx: 'linear' },
        { model: 'demand', version: '1.0.1', onnx },
      ],
      { shadow: '1.0.1' },
      settings,
    );
    return { stage, gateway, captured: () => stage.registry.stored.filter(({ shadow }) => shadow) };
  };

  it('gets a copy of every request, its answers are captured beside and never returned', async () => {
    const { gateway, stage, captured } = await shadowed('linear-plus-1000');
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => ask(gateway, 'demand', [i, 0])));
    answers.forEach(({ body }, i) => expect(body).toMatchObject({ model_version: '1.0.0', outputs: [{ data: [i] }] }));
    await until(() => captured().length === 30);
    const live = new Map(stage.registry.stored.filter(({ shadow }) => !shadow).map((capture) => [capture.id, capture]));
    for (const copy of captured()) {
      expect(copy).toMatchObject({
        version: '1.0.1',
        error: null,
        predicted: live.get(copy.id)!.predicted! + 1000,
        subject: live.get(copy.id)!.subject,
      });
    }
  });

  it('does not get what was asked of a version by name', async () => {
    const { gateway, captured } = await shadowed('linear-plus-1000');
    await post(`${gateway.url}/v2/models/demand/versions/1.0.0/infer`, pairs([[1, 2]]));
    await ask(gateway, 'demand');
    await until(() => captured().length > 0);
    expect(captured()).toHaveLength(1);
  });

  it('that fails changes no answer, and its errors are captured', async () => {
    const { gateway, captured } = await shadowed('failing');
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(gateway, 'demand', [500, 0])));
    expect(answers.every(({ status, body }) => status === 200 && body.outputs[0]!.data[0] === 500)).toBe(true);
    await until(() => captured().length === 20);
    expect(captured().every(({ error, predicted }) => error === 'inferenceFailed' && predicted === null)).toBe(true);
  });

  it('that is slow is shed and counted, and every request is answered', async () => {
    const { gateway, captured } = await shadowed('slow', { maxShadowWaiting: 1, maxShadowAtWork: 1 });
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask(gateway, 'demand')));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    await until(() => captured().length > 0);
    const { body } = await get<string>(`${gateway.url}/metrics`);
    const shed = Number(/gateway_shadow_shed_total\{model_name="demand",version="1.0.1"\} (\d+)/.exec(body)?.[1]);
    expect(shed).toBeGreaterThan(0);
    expect(shed + captured().length).toBeLessThanOrEqual(200);
  });
});

describe('a gateway that is stopped', () => {
  it('answers what it has taken, then takes no more', async () => {
    const { stage, gateway } = await canary('slow');
    const url = `${gateway.url}/v2/models/demand/versions/1.0.1/infer`;
    // Connections first, so that what is sent then has arrived when the first of it is answered.
    await Promise.all(Array.from({ length: 20 }, () => ask(gateway, 'demand')));
    const before = 20;
    const answers = Array.from({ length: 20 }, () => post(url, pairs([[1, 2]])));
    await Promise.race(answers);
    const stopped = gateway.stop();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(answers.map(() => 200));
    await stopped;
    // A busy machine may give a slow challenger up, which is captured besides the champion's answer.
    expect(stage.registry.stored.filter(({ error }) => error === null)).toHaveLength(before + 20);
    await expect(ask(gateway, 'demand')).rejects.toThrow('fetch failed');
  });
});
