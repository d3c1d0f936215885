import { join } from 'node:path';
import { expect, test } from 'vitest';
import { changeGatewayKeys, gatewayKeySource } from '../../adapters/keys/gateway-key-file.js';
import { makeGatewayKey } from '../../adapters/keys/gateway-key.js';
import type { AccessRole } from '../../contracts/gateway-keys.js';
import { routes } from '../../gateway/http/routes.js';
import { GrpcClient } from './support/grpc-client.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
const file = join(stage.folder, 'keys.json');
const secrets = {
  predict: await addKey('shop', 'predict'),
  admin: await addKey('ops', 'admin'),
  other: await addKey('other', 'predict', ['other']),
};
await stage.addLive({ model: 'demand', version: '1.0.0', onnx: 'linear' });
const { registry } = stage;
const gateway = await stage.start(
  { grpcPort: 0 },
  { routes: registry.routes, captures: registry.captures, outcomes: registry.outcomes, keys: gatewayKeySource(file) },
);

async function addKey(name: string, role: AccessRole, models: readonly string[] | null = null): Promise<string> {
  const { key, secret } = makeGatewayKey({ name, role, models, requestsPerSecond: null, expiresAtMs: null }, Date.now());
  await changeGatewayKeys(file, (keys) => [...keys, key]);
  return secret;
}

async function statusOf({ method, path }: (typeof routes)[number], secret: string | null): Promise<number> {
  const named = path
    .replace('{model}', 'demand')
    .replace('{version}', '1.0.0')
    .replace(/\{\w+\}/g, 'x');
  const response = await fetch(gateway.url + named, {
    method,
    headers: secret === null ? {} : { authorization: `Bearer ${secret}` },
    ...(method === 'POST' ? { body: '{' } : {}),
  });
  await response.arrayBuffer();
  return response.status;
}

const of = (access: string) =>
  routes.filter((route) => route.access === access).map((route) => [`${route.method} ${route.path}`, route] as const);

test.each(of('admin'))('%s is never open to a predict key', async (_, route) => {
  expect(await statusOf(route, null)).toBe(401);
  expect(await statusOf(route, secrets.predict)).toBe(403);
  expect([401, 403]).not.toContain(await statusOf(route, secrets.admin));
});

test.each(of('predict'))('%s wants a key', async (_, route) => {
  expect(await statusOf(route, null)).toBe(401);
  expect([401, 403]).not.toContain(await statusOf(route, secrets.predict));
  if (route.path.includes('{model}')) expect(await statusOf(route, secrets.other)).toBe(403);
});

test.each(of('open'))('%s is open', async (_, route) => {
  expect([401, 403]).not.toContain(await statusOf(route, null));
});

test('what changes the server or its models is for administrators', () => {
  const changing = routes.filter(({ kind }) => /^(repositoryLoad|repositoryUnload|containerLoad|containerUnload|change|flush)/.test(kind));
  expect(changing.length).toBeGreaterThan(5);
  expect(changing.filter(({ access }) => access !== 'admin').map(({ method, path }) => `${method} ${path}`)).toEqual([]);
});

test('the same keys count over gRPC', async () => {
  const client = new GrpcClient(gateway.grpcAddress);
  const call = (rpc: string, request: object, secret?: string) =>
    client.call(rpc, request, secret === undefined ? {} : { metadata: { authorization: `Bearer ${secret}` } }).then(
      () => 0,
      (error: { code: number }) => error.code,
    );
  const field = (name: string, datatype: string, contents: object) => ({ name, datatype, shape: [1], contents });
  const inputs = [
    field('hour', 'INT64', { int64_contents: [1] }),
    ...['a', 'b'].map((name) => field(name, 'FP64', { fp64_contents: [1] })),
  ];
  const question = { model_name: 'demand', inputs };
  // 0 is OK, 7 PERMISSION_DENIED, 16 UNAUTHENTICATED.
  expect(await call('ServerLive', {})).toBe(0);
  expect(await call('ModelMetadata', { name: 'demand' })).toBe(16);
  expect(await call('ModelMetadata', { name: 'demand' }, 'pk_wrong')).toBe(16);
  expect(await call('ModelMetadata', { name: 'demand' }, secrets.predict)).toBe(0);
  expect(await call('ModelMetadata', { name: 'demand' }, secrets.other)).toBe(7);
  expect(await call('ModelInfer', question)).toBe(16);
  expect(await call('ModelInfer', question, secrets.predict)).toBe(0);
  expect(await call('ModelInfer', question, secrets.other)).toBe(7);
  expect(await call('RepositoryModelUnload', { model_name: 'demand' }, secrets.predict)).toBe(7);
  expect(await call('LogSettings', { settings: { log_verbose_level: { uint32_param: 1 } } }, secrets.predict)).toBe(7);
  expect(await call('LogSettings', { settings: { log_verbose_level: { uint32_param: 1 } } }, secrets.admin)).toBe(0);
});
