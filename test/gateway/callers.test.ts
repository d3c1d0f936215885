import { expect, test } from 'vitest';
import { readConfig } from '../../workers/config.js';
import { refuseOpenBind } from '../../workers/bind.js';
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

test('a process beyond loopback refuses to start without a token', () => {
  const base = { DATABASE_URL: 'postgres://x', PERENNIAL_WORKFLOW_BUNDLE: 'x' };
  expect(() => refuseOpenBind(readConfig({ ...base, PERENNIAL_BIND: '0.0.0.0' }))).toThrow('PERENNIAL_TOKEN');
  expect(() => refuseOpenBind(readConfig({ ...base, PERENNIAL_BIND: '0.0.0.0', PERENNIAL_TOKEN: 'chosen' }))).not.toThrow();
  expect(() => refuseOpenBind(readConfig(base))).not.toThrow();
});
