import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ask, get, pairs, post, until } from './support/requests.js';
import { openStage } from './support/stage.js';

/** Asks without a pause on some connections until `stop`; answers what came back. */
function pressure(
  send: (n: number) => Promise<{ status: number; body: { outputs?: readonly { data: readonly unknown[] }[]; model_version?: string } }>,
  callers = 8,
) {
  let running = true;
  const answers: { status: number; version: string | undefined; value: unknown }[] = [];
  const done = Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let n = caller; running; n += callers) {
        const { status, body } = await send(n);
        answers.push({ status, version: body.model_version, value: body.outputs?.[0]?.data[0] });
      }
    }),
  );
  return {
    answers,
    async stop() {
      running = false;
      await done;
      return answers;
    },
  };
}

describe('routing that follows the registry', () => {
  it('swaps versions under load without a failed or mixed answer', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
    await stage.addVersion({ model: 'demand', version: '1.0.1', onnx: 'linear-plus-1000' });
    const load = pressure(() => ask(gateway, 'demand', [1, 2]));
    for (let i = 0; i < 6; i++) {
      const version = i % 2 === 0 ? '1.0.1' : '1.0.0';
      const ack = await stage.registry.acknowledged(stage.registry.setRoute({ model: 'demand', variants: [{ version, weight: 1 }] }));
      expect(ack.refused).toBeNull();
      const seen = load.answers.length;
      await until(() => load.answers.length > seen + 20);
      expect(await ask(gateway, 'demand', [1, 2])).toMatchObject({ body: { model_version: version } });
    }
    const answers = await load.stop();
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(answers.filter(({ version, value }) => value !== (version === '1.0.0' ? 21 : 1021))).toEqual([]);
    expect(new Set(answers.map(({ version }) => version)).size).toBe(2);
  });

  it('gives each variant its share, keeps a caller with its variant, and moves nobody back as the share grows', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([
      { model: 'demand', version: '1.0.0', onnx: 'linear' },
      { model: 'demand', version: '1.0.1', onnx: 'linear-plus-1000' },
    ]);
    const met = new Set<number>();
    for (const share of [0.05, 0.25, 0.5]) {
      const variants = [
        { version: '1.0.0', weight: 1 - share },
        { version: '1.0.1', weight: share },
      ];
      await stage.registry.acknowledged(stage.registry.setRoute({ model: 'demand', variants }));
      const askAs = async (caller: number): Promise<boolean> => {
        const header = { 'x-perennial-key': `caller-${caller}` };
        const { body } = await (caller % 2 === 0
          ? post(`${gateway.url}/v2/models/demand/infer`, pairs([[1, 2]], { parameters: { key: `caller-${caller}` } }))
          : post(`${gateway.url}/v2/models/demand/infer`, pairs([[1, 2]]), header));
        expect(body.parameters.variant).toBe(body.model_version === '1.0.1' ? 'challenger' : 'champion');
        return body.model_version === '1.0.1';
      };
      const callers = Array.from({ length: 400 }, (_, caller) => caller);
      const challenged: number[] = [];
      for (let from = 0; from < callers.length; from += 50) {
        const some = callers.slice(from, from + 50);
        const answered = await Promise.all(some.map(askAs));
        challenged.push(...some.filter((_, i) => answered[i]));
      }
      expect(Math.abs(challenged.length / callers.length - share)).toBeLessThan(0.06);
      for (const caller of met) expect(challenged).toContain(caller);
      for (const caller of challenged.slice(0, 10)) expect(await askAs(caller)).toBe(true);
      for (const caller of challenged) met.add(caller);
    }
  });

  it('shares between callers without a key by chance', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([
      { model: 'demand', version: '1.0.0', onnx: 'linear' },
      { model: 'demand', version: '1.0.1', onnx: 'linear-plus-1000' },
    ]);
    const variants = [
      { version: '1.0.0', weight: 0.5 },
      { version: '1.0.1', weight: 0.5 },
    ];
    await stage.registry.acknowledged(stage.registry.setRoute({ model: 'demand', variants }));
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask(gateway, 'demand')));
    const challenged = answers.filter(({ body }) => body.model_version === '1.0.1').length;
    expect(challenged).toBeGreaterThan(50);
    expect(challenged).toBeLessThan(150);
  });

  it('refuses a package with one flipped byte and keeps the old version serving', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
    const pack = await stage.addVersion({ model: 'demand', version: '1.0.1', onnx: 'linear-plus-1000' });
    const hex = pack.files.find(({ path }) => path === 'model.onnx')!.digest.slice('sha256:'.length);
    const stored = (await readdir(join(stage.folder, 'objects'), { recursive: true })).find((name) =>
      name.replaceAll('/', '').endsWith(hex.slice(4)),
    )!;
    const path = join(stage.folder, 'objects', stored);
    const bytes = await readFile(path);
    bytes[bytes.length >> 1]! ^= 1;
    await chmod(path, 0o644);
    await writeFile(path, bytes);
    const ack = await stage.registry.acknowledged(
      stage.registry.setRoute({ model: 'demand', variants: [{ version: '1.0.1', weight: 1 }] }),
    );
    expect(ack.refused).toContain(pack.files.find(({ path }) => path === 'model.onnx')!.digest);
    expect(await ask(gateway, 'demand')).toMatchObject({ status: 200, body: { model_version: '1.0.0' } });
    const { body } = await get(`${gateway.url}/v2/models/demand/route`);
    expect(body).toMatchObject({ generation: 1 });
    // Times are told to the nanosecond, and no further.
    expect(JSON.stringify(body)).not.toMatch(/\d\.\d{7}/);
  });

  it.each([
    ['without a signature', { onnx: 'linear', unsigned: true }, /no signature/],
    ['whose ONNX file has other inputs than serving.json', { onnx: 'three-inputs' }, /takes \(x: float32 \[-1,3\]\)/],
    [
      'whose ONNX file does not answer what is read',
      { onnx: 'linear', spec: { onnx: { input: 'features', output: 'other' } } },
      /reads other/,
    ],
    ['that is no ONNX file', { onnx: `${import.meta.dirname}/fixtures/make-models.py` }, /does not load/],
    ['of another model', { onnx: 'linear', spec: { model: 'another' } }, /serving.json is of model another/],
    ['that answers NaN to its own example', { onnx: 'not-a-number', example: pairs([[-5, 0]]) }, /answered NaN/],
    ['that fails on its own example', { onnx: 'failing', example: pairs([[500, 0]]) }, /indices element out of data bounds/],
  ])('refuses a version %s', async (_, more, reason) => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
    await stage.addVersion({ model: 'demand', version: '1.0.1', ...more });
    const variants = [
      { version: '1.0.0', weight: 0.5 },
      { version: '1.0.1', weight: 0.5 },
    ];
    const ack = await stage.registry.acknowledged(stage.registry.setRoute({ model: 'demand', variants }));
    expect(ack.refused).toMatch(reason);
    expect(await ask(gateway, 'demand')).toMatchObject({ status: 200, body: { model_version: '1.0.0' } });
  });

  it('a standby that cannot be loaded does not hold up the route', async () => {
    const stage = await openStage();
    await stage.addVersion({ model: 'demand', version: '0.9.0', onnx: 'linear', unsigned: true });
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], { standby: ['0.9.0'] });
    expect(stage.registry.acks).toMatchObject([{ refused: null }]);
    expect(stage.log).toContainEqual(expect.objectContaining({ event: 'standbyNotLoaded', version: '0.9.0' }));
    expect(await ask(gateway, 'demand')).toMatchObject({ status: 200 });
  });

  it('serves the champion alone when a first start finds a challenger that cannot be loaded', async () => {
    const stage = await openStage();
    await stage.addVersion({ model: 'demand', version: '1.0.1', onnx: 'linear', unsigned: true });
    const variants = [
      { version: '1.0.0', weight: 0.01 },
      { version: '1.0.1', weight: 0.99 },
    ];
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], { variants });
    expect(stage.registry.acks).toMatchObject([{ refused: expect.stringContaining('no signature') }]);
    for (let i = 0; i < 10; i++) expect(await ask(gateway, 'demand')).toMatchObject({ status: 200, body: { model_version: '1.0.0' } });
  });

  it('a route without a live variant answers by version only, for the smoke test before the first promotion', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], { variants: [], standby: ['1.0.0'] });
    expect(await ask(gateway, 'demand')).toMatchObject({ status: 503, body: { error: "no version of 'demand' is live yet" } });
    expect((await post(`${gateway.url}/v2/models/demand/versions/1.0.0/infer`, pairs([[1, 2]]))).status).toBe(200);
  });

  it('holds many versions of many models at once, and lets go of what no route names', async () => {
    const stage = await openStage();
    const models = Array.from({ length: 12 }, (_, i) => `model-${i}`);
    for (const model of models.slice(1)) {
      await stage.addVersion({ model, version: '1.0.0', onnx: 'linear' });
      await stage.addVersion({ model, version: '1.0.1', onnx: 'linear-plus-1000' });
      stage.registry.setRoute({ model, variants: [{ version: '1.0.1', weight: 1 }], standby: ['1.0.0'] });
    }
    const gateway = await stage.serve([{ model: models[0]!, version: '1.0.0', onnx: 'linear' }]);
    for (const model of models.slice(1)) {
      expect(await ask(gateway, model, [1, 2])).toMatchObject({ body: { model_name: model, outputs: [{ data: [1021] }] } });
      expect((await post(`${gateway.url}/v2/models/${model}/versions/1.0.0/infer`, pairs([[1, 2]]))).body.outputs[0]!.data).toEqual([21]);
    }
    stage.registry.removeRoute('model-3');
    await until(async () => (await ask(gateway, 'model-3')).status === 404);
    expect((await ask(gateway, 'model-4')).status).toBe(200);
  });

  it('keeps its lease and drops it when it stops', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
    expect([...stage.registry.leases.values()]).toEqual([gateway.url]);
    await gateway.stop();
    expect(stage.registry.leases.size).toBe(0);
  });
});

describe('without the registry', () => {
  it('goes on serving, and follows again when it is back', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { leaseEveryMs: 20, followEveryMs: 20 });
    stage.registry.away = true;
    await until(() => stage.log.some(({ event }) => event === 'registryAway'));
    expect((await ask(gateway, 'demand')).status).toBe(200);
    await stage.addVersion({ model: 'demand', version: '1.0.1', onnx: 'linear-plus-1000' });
    const route = stage.registry.setRoute({ model: 'demand', variants: [{ version: '1.0.1', weight: 1 }] });
    expect(await ask(gateway, 'demand')).toMatchObject({ body: { model_version: '1.0.0' } });
    stage.registry.away = false;
    await stage.registry.acknowledged(route);
    expect(await ask(gateway, 'demand')).toMatchObject({ body: { model_version: '1.0.1' } });
  });

  it('starts from the last good state, with the outcomes that its features need, and without the object store', async () => {
    const stage = await openStage();
    const hour = 1_317_427_200_000;
    stage.registry.addOutcomes('demand', [{ timeMs: hour - 3_600_000, value: 7 }]);
    const spec = {
      features: [
        { kind: 'input', name: 'a', column: 'a' },
        { kind: 'lag', name: 'lag1', agoMs: 3_600_000 },
      ],
    } as const;
    const first = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear', spec }]);
    expect((await ask(first, 'demand', [1, 0])).body.outputs[0]!.data).toEqual([71]);
    await first.stop();
    stage.registry.away = true;
    await rm(join(stage.folder, 'objects'), { recursive: true });
    const second = await stage.start();
    expect((await get(`${second.url}/v2/health/ready`)).status).toBe(200);
    expect((await ask(second, 'demand', [1, 0])).body.outputs[0]!.data).toEqual([71]);
    expect(stage.log).toContainEqual(expect.objectContaining({ event: 'servingLastGood' }));
    stage.registry.away = false;
    await until(() => [...stage.registry.leases.values()].includes(second.url));
  });

  it('with nothing kept it is alive, not ready, and says so', async () => {
    const stage = await openStage();
    stage.registry.away = true;
    const gateway = await stage.start();
    expect((await get(`${gateway.url}/v2/health/live`)).status).toBe(200);
    expect(await get(`${gateway.url}/v2/health/ready`)).toMatchObject({ status: 503, body: { ready: false } });
    expect(await ask(gateway, 'demand')).toMatchObject({ status: 503, body: { error: 'the gateway is still loading its models' } });
    stage.registry.away = false;
    await until(async () => (await get(`${gateway.url}/v2/health/ready`)).status === 200);
  });
});
