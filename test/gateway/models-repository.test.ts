import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { ask, get, pairs, post } from './support/requests.js';
import type { PackageSpec, Stage } from './support/stage.js';
import { openStage } from './support/stage.js';

type Entry = { readonly name: string; readonly version: string; readonly state: string; readonly reason: string };

async function index(gateway: Gateway): Promise<readonly Entry[]> {
  return (await post<Entry[]>(`${gateway.url}/v2/repository/index`, {})).body;
}

/** A load or unload call on a model, or on `model/versions/v`. */
function call(gateway: Gateway, at: `${string}/${'load' | 'unload'}`, parameters?: Record<string, unknown>) {
  return post<{ error?: string }>(`${gateway.url}/v2/repository/models/${at}`, parameters === undefined ? '' : { parameters });
}

const askVersion = (gateway: Gateway, version: string) =>
  post(`${gateway.url}/v2/models/demand/versions/${version}/infer`, pairs([[1, 2]]));

/** A champion 1.0.0 and a standby 0.9.0 (which adds 1000). */
async function served(): Promise<{ stage: Stage; gateway: Gateway }> {
  const stage = await openStage();
  await stage.addVersion({ model: 'demand', version: '0.9.0', onnx: 'linear-plus-1000' });
  const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], { standby: ['0.9.0'] });
  return { stage, gateway };
}

describe('unloading by a person', () => {
  it('holds for a standby until it is loaded, and leaves the rest alone', async () => {
    const { gateway } = await served();
    expect((await call(gateway, 'demand/versions/0.9.0/unload')).status).toBe(200);
    expect(await index(gateway)).toContainEqual(
      expect.objectContaining({
        name: 'demand',
        version: '0.9.0',
        state: 'UNAVAILABLE',
        reason: expect.stringContaining('unloaded by a person'),
      }),
    );
    expect(await askVersion(gateway, '0.9.0')).toMatchObject({
      status: 503,
      body: { error: expect.stringContaining('unloaded by a person') },
    });
    expect((await get(`${gateway.url}/v2/models/demand/versions/0.9.0/ready`)).status).toBe(503);
    expect(await ask(gateway, 'demand')).toMatchObject({ status: 200, body: { model_version: '1.0.0' } });
    expect((await call(gateway, 'demand/versions/0.9.0/load')).status).toBe(200);
    expect(await askVersion(gateway, '0.9.0')).toMatchObject({ status: 200, body: { outputs: [{ data: [1021] }] } });
    expect(await index(gateway)).toContainEqual({ name: 'demand', version: '0.9.0', state: 'READY', reason: '' });
  });

  it('holds until a new generation of the route', async () => {
    const { stage, gateway } = await served();
    await call(gateway, 'demand/versions/0.9.0/unload');
    await stage.registry.acknowledged(
      stage.registry.setRoute({ model: 'demand', variants: [{ version: '0.9.0', weight: 1 }], standby: ['1.0.0'] }),
    );
    expect(await ask(gateway, 'demand', [1, 2])).toMatchObject({
      status: 200,
      body: { model_version: '0.9.0', outputs: [{ data: [1021] }] },
    });
  });

  it('refuses a live version unless forced', async () => {
    const { gateway } = await served();
    for (const at of ['demand', 'demand/versions/1.0.0']) {
      expect(await call(gateway, `${at}/unload`)).toMatchObject({
        status: 400,
        body: { error: expect.stringMatching(/'demand' version '1.0.0' is live \(champion\).*parameters\.force/) },
      });
    }
    expect(await ask(gateway, 'demand')).toMatchObject({ status: 200 });
    expect((await call(gateway, 'demand/unload', { force: true })).status).toBe(200);
    expect(await ask(gateway, 'demand')).toMatchObject({ status: 503, body: { error: expect.stringContaining('unloaded by a person') } });
    expect((await index(gateway)).map(({ state }) => state)).toEqual(['UNAVAILABLE', 'UNAVAILABLE']);
    expect((await call(gateway, 'demand/load')).status).toBe(200);
    expect(await ask(gateway, 'demand')).toMatchObject({ status: 200 });
  });

  it('waits for the answers under way', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'slow' }]);
    const answers = Array.from({ length: 12 }, () => ask(gateway, 'demand'));
    await Promise.race(answers);
    await call(gateway, 'demand/unload', { force: true });
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect(statuses).toContain(200);
  });

  it('says what is not there', async () => {
    const { gateway } = await served();
    expect(await call(gateway, 'nothing/unload')).toMatchObject({
      status: 404,
      body: { error: expect.stringMatching(/^Request for unknown model/) },
    });
    expect(await call(gateway, 'demand/versions/7.0.0/unload')).toMatchObject({
      status: 404,
      body: { error: expect.stringMatching(/^Request for unknown model/) },
    });
    const unknown = await call(gateway, 'nothing/load');
    expect(unknown.status).toBe(404);
    expect(unknown.body.error).toMatch(/^Request for unknown model: failed to load 'nothing'/);
  });
});

describe('a registered version that no route names', () => {
  it('is loaded beside the route, gets no traffic, and goes when it is unloaded', async () => {
    const { stage, gateway } = await served();
    await stage.addVersion({ model: 'demand', version: '1.0.1', onnx: 'linear-plus-1000' });
    expect((await call(gateway, 'demand/versions/1.0.1/load')).status).toBe(200);
    expect(await askVersion(gateway, '1.0.1')).toMatchObject({
      status: 200,
      body: { model_version: '1.0.1', parameters: { variant: 'unrouted' } },
    });
    for (let i = 0; i < 20; i++) expect(await ask(gateway, 'demand')).toMatchObject({ body: { model_version: '1.0.0' } });
    // A new generation leaves it, and one that names it takes it over.
    await stage.registry.acknowledged(stage.registry.setRoute({ model: 'demand', variants: [{ version: '1.0.0', weight: 1 }] }));
    expect((await askVersion(gateway, '1.0.1')).status).toBe(200);
    await stage.registry.acknowledged(
      stage.registry.setRoute({ model: 'demand', variants: [{ version: '1.0.1', weight: 1 }], standby: ['1.0.0'] }),
    );
    expect(await ask(gateway, 'demand')).toMatchObject({ body: { model_version: '1.0.1', parameters: { variant: 'champion' } } });
    await stage.registry.acknowledged(stage.registry.setRoute({ model: 'demand', variants: [{ version: '1.0.0', weight: 1 }] }));
    expect((await askVersion(gateway, '1.0.1')).status).toBe(404);
    expect((await call(gateway, 'demand/versions/1.0.1/load')).status).toBe(200);
    expect((await call(gateway, 'demand/versions/1.0.1/unload')).status).toBe(200);
    expect((await askVersion(gateway, '1.0.1')).status).toBe(404);
    expect((await index(gateway)).map(({ version }) => version)).toEqual(['1.0.0']);
  });

  it('is refused with the reason of its trial', async () => {
    const { stage, gateway } = await served();
    await stage.addVersion({ model: 'demand', version: '1.0.1', onnx: 'crashing' });
    const refused = await call(gateway, 'demand/versions/1.0.1/load');
    expect(refused).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(/failed to load 'demand' version '1.0.1': .*crashed/) },
    });
    expect((await call(gateway, 'demand/versions/8.0.0/load')).body.error).toMatch(
      /failed to load 'demand' version '8.0.0': there is no version/,
    );
    expect(await ask(gateway, 'demand')).toMatchObject({ status: 200 });
  });
});

describe('the index', () => {
  it('names what a route wants and cannot have, with the reason', async () => {
    const { stage, gateway } = await served();
    await stage.addVersion({ model: 'demand', version: '1.0.1', onnx: 'linear', unsigned: true });
    const route = stage.registry.setRoute({ model: 'demand', variants: [{ version: '1.0.1', weight: 1 }] });
    await stage.registry.acknowledged(route);
    expect(await index(gateway)).toContainEqual({
      name: 'demand',
      version: '1.0.1',
      state: 'UNAVAILABLE',
      reason: expect.stringContaining('no signature') as string,
    });
    const { body } = await post<Entry[]>(`${gateway.url}/v2/repository/index`, { ready: true });
    expect(body.map(({ version }) => version).sort()).toEqual(['0.9.0', '1.0.0']);
  });
});

describe('a model in the body of a load call', () => {
  /** The parameters that carry a package. */
  async function inBody(stage: Stage, spec: Omit<PackageSpec, 'version'>): Promise<Record<string, string>> {
    const { files, signature } = await stage.pack({ ...spec, version: 'any' });
    const parameters: Record<string, string> = {};
    for (const { path, digest } of files) parameters[`file:${path}`] = Buffer.from(await stage.objects.get(digest)).toString('base64');
    if (signature !== undefined) parameters['file:signature'] = Buffer.from(await stage.objects.get(signature.digest)).toString('base64');
    return parameters;
  }

  it('is refused unless it is a whole signed package', async () => {
    const { stage, gateway } = await served();
    const onnx = (await readFile(new URL('fixtures/linear.onnx', import.meta.url))).toString('base64');
    const whole = await inBody(stage, { model: 'demand', onnx: 'linear-plus-1000' });
    const other = await inBody(stage, { model: 'demand', onnx: 'linear' });
    const { 'file:serving.json': _, ...partial } = whole;
    const cases: [Record<string, unknown>, RegExp][] = [
      [{ 'file:1/model.onnx': onnx }, /only as a whole signed package: file:signature is missing/],
      [{ config: '{"backend":"onnxruntime"}' }, /a configuration in the call is not taken/],
      [{ ...whole, 'file:model.onnx': other['file:model.onnx'] }, /failed to load 'demand' version '2.0.0'/],
      [partial, /failed to load 'demand' version '2.0.0'/],
      [{ ...whole, 'file:../../evil': onnx }, /names no file of a package/],
      [{ ...whole, 'file:model.onnx': '***' }, /is not base64/],
      [{ ...whole, 'file:signature': Buffer.from('{}').toString('base64') }, /failed to load 'demand' version '2.0.0'/],
      [await inBody(stage, { model: 'demand', onnx: 'crashing' }), /crashed/],
      [await inBody(stage, { model: 'another', onnx: 'linear' }), /serving.json is of model another/],
    ];
    for (const [parameters, reason] of cases)
      expect(await call(gateway, 'demand/versions/2.0.0/load', parameters)).toMatchObject({
        status: 400,
        body: { error: expect.stringMatching(reason) },
      });
    expect(await call(gateway, 'demand/load', whole)).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('needs a version in the path') },
    });
    expect((await index(gateway)).map(({ version }) => version)).not.toContain('2.0.0');
    expect(await ask(gateway, 'demand')).toMatchObject({ status: 200 });
  });

  it('is verified, tried, and served to whom names its version', async () => {
    const { stage, gateway } = await served();
    const whole = await inBody(stage, { model: 'demand', onnx: 'linear-plus-1000' });
    expect((await call(gateway, 'demand/versions/2.0.0/load', whole)).status).toBe(200);
    expect(await askVersion(gateway, '2.0.0')).toMatchObject({
      status: 200,
      body: { model_version: '2.0.0', outputs: [{ data: [1021] }] },
    });
    expect(await ask(gateway, 'demand')).toMatchObject({ body: { model_version: '1.0.0' } });
    // Also of a model that has no route, and again once it was unloaded.
    const alone = await inBody(stage, { model: 'alone', onnx: 'linear' });
    expect((await call(gateway, 'alone/versions/1.0.0/load', alone)).status).toBe(200);
    const askAlone = () => post(`${gateway.url}/v2/models/alone/versions/1.0.0/infer`, pairs([[1, 2]]));
    expect(await askAlone()).toMatchObject({ status: 200, body: { outputs: [{ data: [21] }] } });
    expect(await ask(gateway, 'alone')).toMatchObject({ status: 503, body: { error: "no version of 'alone' is live yet" } });
    expect((await call(gateway, 'alone/versions/1.0.0/unload')).status).toBe(200);
    expect((await askAlone()).status).toBe(404);
  });

  it('never takes the number of another registered package', async () => {
    const { stage, gateway } = await served();
    const whole = await inBody(stage, { model: 'demand', onnx: 'linear-plus-1000' });
    expect(await call(gateway, 'demand/versions/1.0.0/load', whole)).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('the registry holds another package under this version') },
    });
    await stage.addVersion({ model: 'demand', version: '3.0.0', onnx: 'linear' });
    expect((await call(gateway, 'demand/versions/3.0.0/load', whole)).status).toBe(400);
    // A route that comes to name a version loaded so gets the registry's package.
    expect((await call(gateway, 'demand/versions/4.0.0/load', whole)).status).toBe(200);
    await stage.addVersion({ model: 'demand', version: '4.0.0', onnx: 'linear' });
    await stage.registry.acknowledged(stage.registry.setRoute({ model: 'demand', variants: [{ version: '4.0.0', weight: 1 }] }));
    expect(await ask(gateway, 'demand', [1, 2])).toMatchObject({ body: { model_version: '4.0.0', outputs: [{ data: [21] }] } });
  });
});
