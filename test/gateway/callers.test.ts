import { join } from 'node:path';
import { expect, test } from 'vitest';
import { changeGatewayKeys } from '../../adapters/keys/gateway-key-file.js';
import { makeGatewayKey } from '../../adapters/keys/gateway-key.js';
import { predict } from '../../clients/client/gateway-client.js';
import type { InferenceInput } from '../../clients/client/gateway-client.js';
import { GatewayFeedback } from '../../clients/rehearsal/driver/gateway-feedback.js';
import { readConfig } from '../../workers/config.js';
import { refuseOpenBind, refuseOpenGateway } from '../../workers/bind.js';
import { pairs } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();

test('a gateway with a token answers nobody else, but for its health', async () => {
  const { url } = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { token: 'a-token-of-the-test' });
  const infer = (headers: Record<string, string>) =>
    fetch(`${url}/v2/models/demand/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(pairs([[1, 1]])),
    });
  expect((await fetch(`${url}/v2/health/live`)).status).toBe(200);
  for (const path of ['/v2', '/v2/models', '/v2/models/demand', '/v2/models/demand/route', '/metrics'])
    expect((await fetch(url + path)).status, path).toBe(401);
  expect((await infer({})).status).toBe(401);
  expect((await infer({ authorization: 'Bearer another-token' })).status).toBe(401);
  expect((await infer({ authorization: 'Bearer a-token-of-the-test' })).status).toBe(200);
});

test('our own client shows its key', async () => {
  const gateway = await stage.start({ token: 'a-token-of-the-test' });
  const { inputs } = pairs([[1, 2]]) as { inputs: InferenceInput[] };
  await expect(predict(gateway.url, 'demand', { inputs })).rejects.toMatchObject({ type: 'NotApproved', details: { status: 401 } });
  await expect(predict(gateway.url, 'demand', { inputs, token: 'a-token-of-the-test' })).resolves.toMatchObject({ model: 'demand' });
  const feedback = (token: string) => new GatewayFeedback({ gatewayUrl: gateway.url, model: 'demand', token }).flush();
  await expect(feedback('another')).rejects.toMatchObject({ details: { status: 401 } });
  await feedback('a-token-of-the-test');
});

test('a process beyond loopback refuses to start without a token', () => {
  const base = { DATABASE_URL: 'postgres://x', PERENNIAL_WORKFLOW_BUNDLE: 'x' };
  expect(() => refuseOpenBind(readConfig({ ...base, PERENNIAL_BIND: '0.0.0.0' }))).toThrow('PERENNIAL_TOKEN');
  expect(() => refuseOpenBind(readConfig({ ...base, PERENNIAL_BIND: '0.0.0.0', PERENNIAL_TOKEN: 'chosen' }))).not.toThrow();
  expect(() => refuseOpenBind(readConfig(base))).not.toThrow();
});

test('a gateway beyond loopback refuses to start when it could know no caller', async () => {
  const variables = {
    DATABASE_URL: 'postgres://x',
    PERENNIAL_WORKFLOW_BUNDLE: 'x',
    PERENNIAL_BIND: '0.0.0.0',
    PERENNIAL_HOME: stage.folder,
  };
  const starts = (more: Record<string, string>) => refuseOpenGateway(readConfig({ ...variables, ...more }));
  await expect(starts({})).rejects.toThrow('./perennial keys create');
  await starts({ PERENNIAL_BIND: '127.0.0.1' });
  await starts({ PERENNIAL_TOKEN: 'chosen' });
  const issued = { PERENNIAL_JWT_ISSUER: 'x', PERENNIAL_JWT_AUDIENCE: 'x' };
  await starts({ ...issued, PERENNIAL_JWT_JWKS: 'https://login.example.com/keys' });
  const file = join(stage.folder, 'gateway-keys.json');
  const of = { role: 'predict', models: null, requestsPerSecond: null } as const;
  await changeGatewayKeys(file, () => [makeGatewayKey({ ...of, name: 'past', expiresAtMs: 1 }, 0).key]);
  await expect(starts({})).rejects.toThrow('./perennial keys create');
  await changeGatewayKeys(file, (keys) => [...keys, makeGatewayKey({ ...of, name: 'good', expiresAtMs: null }, 0).key]);
  await starts({});
});

test.each([
  [{ PERENNIAL_JWT_ISSUER: 'x' }, 'PERENNIAL_JWT_JWKS is not set'],
  [{ PERENNIAL_JWT_JWKS: 'keys.json' }, 'PERENNIAL_JWT_ISSUER is not set'],
  [{ PERENNIAL_JWT_JWKS: 'keys.json', PERENNIAL_JWT_ISSUER: 'x' }, 'PERENNIAL_JWT_AUDIENCE is not set'],
  [{ PERENNIAL_JWT_SECRET: 'short' }, 'at least 32'],
  [{ PERENNIAL_JWT_SECRET: 'x'.repeat(32), PERENNIAL_JWT_JWKS: 'keys.json' }, 'one of them'],
  [{ PERENNIAL_JWT_JWKS: 'http://login.example.com/keys', PERENNIAL_JWT_ISSUER: 'x' }, 'expected https'],
])('an issuer of tokens that is half given is refused: %j', (variables, message) => {
  expect(() => readConfig({ DATABASE_URL: 'postgres://x', PERENNIAL_WORKFLOW_BUNDLE: 'x', ...variables })).toThrow(message);
});
