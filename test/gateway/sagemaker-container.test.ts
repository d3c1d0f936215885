import { spawn } from 'node:child_process';
import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { folderModels } from '../../adapters/serving/folder-models.js';
import { writePackageFolder } from '../../adapters/serving/package-folder.js';
import type { Gateway } from '../../gateway/gateway.js';
import { nodeBundle } from '../../tools/node-bundle.mjs';
import { readSageMakerConfig } from '../../workers/sagemaker-config.js';
import { get, pairs, post } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
const root = join(stage.folder, 'models');
const folderOf = (name: string): string => join(root, name, 'model');

/** Brings a package where SageMaker would: unpacked into a folder. */
async function bring(name: string, spec: Partial<Parameters<typeof stage.pack>[0]> = {}): Promise<string> {
  const pack = await stage.pack({ model: 'demand', version: '1.0.0', onnx: 'linear', example: pairs([[1, 1]]), ...spec });
  await writePackageFolder(stage.objects, pack, folderOf(name));
  return folderOf(name);
}

async function startContainer(only: string | null, settings: Parameters<typeof stage.start>[0] = {}): Promise<Gateway> {
  const models = folderModels({ root, unsigned: false });
  if (only !== null) await models.add('model', folderOf(only));
  const { routes, objects, captures, outcomes } = models;
  const folder = join(stage.folder, `container-${only ?? 'many'}`);
  return stage.start(
    { folder, hosts: ['*'], ...settings },
    { routes, objects, captures, outcomes, container: { models, only: only === null ? null : 'model' } },
  );
}

describe('a container of one model', () => {
  let container: Gateway;
  beforeAll(async () => {
    await bring('one');
    container = await startContainer('one');
  });

  it('is healthy and predicts', async () => {
    expect((await get(`${container.url}/ping`)).status).toBe(200);
    const csv = await post<string>(`${container.url}/invocations`, '0,1,2\n0,3,4\n', { 'content-type': 'text/csv' });
    expect([csv.status, csv.body]).toEqual([200, '21\n43\n']);
    const named = await post(
      `${container.url}/invocations`,
      { instances: [[0, 1, 2]] },
      { 'X-Amzn-SageMaker-Custom-Attributes': 'x', 'X-Amzn-SageMaker-Target-Variant': 'AllTraffic' },
    );
    expect(named.body).toEqual({ predictions: [21] });
    expect(named.headers.get('x-amzn-sagemaker-custom-attributes')).toBe('x');
  });

  it('says what is wrong with the status that SageMaker passes on', async () => {
    const wrong = await post<{ error: string }>(`${container.url}/invocations`, '0,x,2', { 'content-type': 'text/csv' });
    expect(wrong).toMatchObject({ status: 400, body: { error: expect.stringContaining('"x"') as string } });
    expect((await post(`${container.url}/invocations`, '<a/>', { 'content-type': 'application/xml' })).status).toBe(415);
    expect((await post(`${container.url}/models`, { model_name: 'two', url: folderOf('one') })).status).toBe(400);
    expect((await fetch(`${container.url}/models/model`, { method: 'DELETE' })).status).toBe(400);
    expect((await post(`${container.url}/v2/models/model/labels`, { labels: [{ id: 'x', value: 1 }] })).status).toBe(400);
  });
});

describe('a container of many models', () => {
  let container: Gateway;
  const load = (name: string, url = folderOf(name)) => post<{ error: string }>(`${container.url}/models`, { model_name: name, url });
  const unload = (name: string) => fetch(`${container.url}/models/${name}`, { method: 'DELETE' });
  const ask = (name: string) =>
    post<string>(`${container.url}/models/${name}/invoke`, '0,1,2', {
      'content-type': 'text/csv',
      'X-Amzn-SageMaker-Target-Model': `${name}.tar.gz`,
    });

  beforeAll(async () => {
    await bring('first');
    await bring('second', { onnx: 'linear-plus-1000' });
    container = await startContainer(null);
  });

  it('is healthy without any, loads, lists, invokes and unloads', async () => {
    expect((await get(`${container.url}/ping`)).status).toBe(200);
    expect((await get(`${container.url}/models`)).body).toEqual({ models: [] });
    expect((await ask('first')).status).toBe(404);
    expect([(await load('first')).status, (await load('second')).status]).toEqual([200, 200]);
    expect([(await ask('first')).body, (await ask('second')).body]).toEqual([21, 1021]);
    expect((await load('first')).status).toBe(409);
    expect((await get(`${container.url}/models/second`)).body).toEqual({ modelName: 'second', modelUrl: folderOf('second') });
    expect((await get<{ models: unknown[] }>(`${container.url}/models`)).body.models).toHaveLength(2);
    expect((await unload('second')).status).toBe(200);
    expect([(await unload('second')).status, (await ask('second')).status, (await ask('first')).status]).toEqual([404, 404, 200]);
    expect((await load('second')).status).toBe(200);
    expect((await unload('second')).status).toBe(200);
    expect((await unload('first')).status).toBe(200);
    expect((await post(`${container.url}/invocations`, '0,1,2', { 'content-type': 'text/csv' })).status).toBe(404);
  });

  it('lists by pages', async () => {
    const models = folderModels({ root, unsigned: false });
    const names = Array.from({ length: 130 }, (_, i) => `m${String(i).padStart(3, '0')}`);
    for (const name of names) await models.add(name, folderOf('first'));
    const { routes, objects, captures, outcomes } = models;
    const many = await stage.start(
      { folder: join(stage.folder, 'pages'), hosts: ['*'] },
      { routes: { ...routes, routes: async () => [] }, objects, captures, outcomes, container: { models, only: null } },
    );
    type Page = { models: { modelName: string }[]; nextPageToken?: string };
    const first = (await get<Page>(`${many.url}/models`)).body;
    const second = (await get<Page>(`${many.url}/models?next_page_token=${first.nextPageToken}`)).body;
    expect([...first.models, ...second.models].map(({ modelName }) => modelName)).toEqual(names);
    expect([first.models.length, second.nextPageToken]).toEqual([100, undefined]);
  });

  it('answers 507 when a model does not fit, so that SageMaker unloads others', async () => {
    // Room for one of them, and a half.
    await load('first');
    const { loaded } = (await get<{ loaded: { memory_bytes: number }[] }>(`${container.url}/v2/models/first/route`)).body;
    await unload('first');
    const memoryBudgetBytes = 1.5 * loaded[0]!.memory_bytes;
    const small = await startContainer(null, { folder: join(stage.folder, 'small'), memoryBudgetBytes });
    const loadThere = (name: string) => post<{ error: string }>(`${small.url}/models`, { model_name: name, url: folderOf(name) });
    expect((await loadThere('first')).status).toBe(200);
    expect(await loadThere('second')).toMatchObject({ status: 507, body: { error: expect.stringContaining('does not fit') as string } });
    const invoked = await post(`${small.url}/models/first/invoke`, '0,1,2', { 'content-type': 'text/csv' });
    expect([invoked.status, invoked.body]).toEqual([200, 21]);
    expect((await fetch(`${small.url}/models/first`, { method: 'DELETE' })).status).toBe(200);
    expect((await loadThere('second')).status).toBe(200);
    expect((await fetch(`${small.url}/models/second`, { method: 'DELETE' })).status).toBe(200);
    expect((await get(`${small.url}/models`)).body).toEqual({ models: [] });
    expect((await get(`${small.url}/ping`)).status).toBe(200);
  });

  it('refuses packages that are changed, unsigned, signed by others, or elsewhere', async () => {
    const changed = await bring('changed');
    await writeFile(
      join(changed, 'serving.json'),
      (await readFile(join(changed, 'serving.json'), 'utf8')).replace('"max":1000', '"max":2000'),
    );
    expect(await load('changed')).toMatchObject({ status: 400, body: { error: expect.stringContaining('serving.json') as string } });
    const added = await bring('added');
    await writeFile(join(added, 'extra.txt'), 'x');
    expect(await load('added')).toMatchObject({ status: 400, body: { error: expect.stringContaining('extra.txt') as string } });
    await bring('unsigned', { unsigned: true });
    expect(await load('unsigned')).toMatchObject({ status: 400, body: { error: expect.stringContaining('signature') as string } });
    const other = await openStage();
    const theirs = await other.pack({ model: 'demand', version: '1.0.0', onnx: 'linear' });
    await writePackageFolder(other.objects, theirs, folderOf('foreign'));
    expect(await load('foreign')).toMatchObject({ status: 400, body: { error: expect.stringContaining('not trusted') as string } });
    const outside = join(stage.folder, 'outside');
    await cp(folderOf('first'), outside, { recursive: true });
    expect((await load('outside', outside)).status).toBe(400);
    await mkdir(join(root, 'linked'), { recursive: true });
    await symlink(outside, folderOf('linked'));
    expect((await load('linked')).status).toBe(400);
    expect((await load('nothing')).status).toBe(400);
    expect(
      await load(
        'lagged',
        await bring('lagged', {
          spec: {
            features: [
              { kind: 'lag', name: 'a', agoMs: 1000 },
              { kind: 'input', name: 'b', column: 'b' },
            ],
          },
        }),
      ),
    ).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('looks back on outcomes') as string },
    });
    expect((await get(`${container.url}/models`)).body).toEqual({ models: [] });
    expect((await load('first')).status).toBe(200);
  });
});

describe('a container that was told to take unsigned packages', () => {
  it('serves them', async () => {
    await bring('bare', { unsigned: true });
    const models = folderModels({ root, unsigned: true });
    await models.add('model', folderOf('bare'));
    const verifier = { verify: () => Promise.resolve({ keyId: 'none', name: 'unsigned' }) };
    const { routes, objects, captures, outcomes } = models;
    const stores = { routes, objects, captures, outcomes, verifier, container: { models, only: 'model' } };
    const { url } = await stage.start({ folder: join(stage.folder, 'bare') }, stores);
    expect((await post(`${url}/invocations`, '0,1,2', { 'content-type': 'text/csv' })).body).toBe(21);
  });
});

describe('a gateway that is no container', () => {
  it('says so on the paths of one', async () => {
    const gateway = await stage.start({ folder: join(stage.folder, 'plain') });
    for (const path of ['/ping', '/models', '/models/x']) expect([path, (await get(gateway.url + path)).status]).toEqual([path, 404]);
    expect((await post(`${gateway.url}/invocations`, {})).status).toBe(404);
  });
});

describe('the process that runs inside SageMaker', () => {
  const env = { PERENNIAL_TRUSTED_KEY: 'PEM', PERENNIAL_MODEL_FOLDER: '/opt/ml/model' };

  it('reads the environment of SageMaker, and refuses to serve what nobody vouches for', () => {
    expect(readSageMakerConfig(env)).toMatchObject({ host: '0.0.0.0', port: 8080, many: false, unsigned: false });
    expect(readSageMakerConfig({ ...env, SAGEMAKER_BIND_TO_PORT: '9000', SAGEMAKER_MULTI_MODEL: 'true' })).toMatchObject({
      port: 9000,
      many: true,
    });
    expect(() => readSageMakerConfig({})).toThrow('PERENNIAL_TRUSTED_KEY');
    expect(readSageMakerConfig({ PERENNIAL_ALLOW_UNSIGNED: '1' })).toMatchObject({ unsigned: true, trustedKeys: [] });
    expect(() => readSageMakerConfig({ ...env, SAGEMAKER_BIND_TO_PORT: 'x' })).toThrow('SAGEMAKER_BIND_TO_PORT');
  });

  it('serves the package of its folder without Postgres, and stops when told', { timeout: 60_000 }, async () => {
    const folder = await bring('process');
    const built = join(stage.folder, 'built');
    const entry = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
    const sources = ['workers/sagemaker-gateway.ts', 'gateway/models/inference-thread.ts', 'adapters/onnx/trial-program.ts'];
    await build({
      entryPoints: sources.map(entry),
      outdir: built,
      outbase: entry(''),
      ...nodeBundle,
    });
    await writeFile(join(built, 'package.json'), '{"type":"module"}');
    await symlink(entry('node_modules'), join(built, 'node_modules'));
    const start = (more: Record<string, string>) =>
      spawn(process.execPath, [join(built, 'workers/sagemaker-gateway.js')], {
        env: {
          PATH: process.env['PATH']!,
          SAGEMAKER_BIND_TO_PORT: '0',
          PERENNIAL_BIND: '127.0.0.1',
          PERENNIAL_MODEL_FOLDER: folder,
          PERENNIAL_HOME: join(stage.folder, 'home'),
          ...more,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    const refused = start({});
    let said = '';
    refused.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    expect(await new Promise((resolve) => refused.once('close', resolve))).toBe(1);
    expect(said).toContain('no key is trusted');
    const child = start({ PERENNIAL_TRUSTED_KEY: stage.publicKeyPem.replaceAll('\n', '\\n') });
    child.stderr.resume();
    try {
      const { url } = await new Promise<{ url: string }>((resolve, reject) => {
        child.stdout.once('data', (line: Buffer) => resolve(JSON.parse(line.toString()) as { url: string }));
        child.once('close', () => reject(new Error('it ended')));
      });
      expect((await get(`${url}/ping`)).status).toBe(200);
      expect((await post<string>(`${url}/invocations`, '0,1,2', { 'content-type': 'text/csv' })).body).toBe(21);
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
    } finally {
      child.kill('SIGKILL');
    }
    await rm(dirname(folder), { recursive: true });
  });
});
