import { InvokeEndpointCommand, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { changeGatewayKeys, gatewayKeySource } from '../../adapters/keys/gateway-key-file.js';
import { makeGatewayKey } from '../../adapters/keys/gateway-key.js';
import type { Gateway } from '../../gateway/gateway.js';
import type { SiblingCall, Siblings } from '../../gateway/siblings/siblings.js';
import { get, post, until } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
const file = join(stage.folder, 'keys.json');
const csv = { 'content-type': 'text/csv' };

beforeAll(async () => {
  for (const model of ['demand', 'other']) {
    await stage.addLive({ model, version: '1.0.0', onnx: 'linear' });
  }
});

describe('a key for one model', () => {
  let gateway: Gateway;
  let key: string;
  let admin: string;

  beforeAll(async () => {
    const usual = { requestsPerSecond: null, expiresAtMs: null };
    const made = makeGatewayKey({ ...usual, name: 'shop', role: 'predict', models: ['demand'] }, Date.now());
    const whole = makeGatewayKey({ ...usual, name: 'ops', role: 'admin', models: null }, Date.now());
    await changeGatewayKeys(file, () => [made.key, whole.key]);
    [key, admin] = [made.secret, whole.secret];
    gateway = await stage.start({ folder: join(stage.folder, 'keyed') }, { keys: gatewayKeySource(file, 10) });
  });

  it('reaches that model alone behind the multi-model endpoint, by the AWS SDK with the key in x-api-key', async () => {
    const client = new SageMakerRuntimeClient({
      endpoint: gateway.url,
      region: 'eu-central-1',
      credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'none' },
      maxAttempts: 1,
    });
    client.middlewareStack.add(
      (next) => (args) => {
        (args.request as { headers: Record<string, string> }).headers['x-api-key'] = key;
        return next(args);
      },
      { step: 'build' },
    );
    const invoke = (EndpointName: string, TargetModel?: string) =>
      client.send(new InvokeEndpointCommand({ EndpointName, TargetModel, ContentType: 'text/csv', Body: Buffer.from('0,1,2') })).then(
        ({ Body }) => Buffer.from(Body).toString('utf8'),
        (error: { name: string }) => error.name,
      );
    expect(await invoke('demand')).toBe('21\n');
    expect(await invoke('multi-model', 'demand')).toBe('21\n');
    expect(await invoke('other')).toBe('AccessDeniedException');
    expect(await invoke('multi-model', 'other')).toBe('AccessDeniedException');
    expect(await invoke('multi-model', 'other.tar.gz')).toBe('AccessDeniedException');
    client.destroy();
  });

  it('sees and ends the jobs of that model alone', async () => {
    const as = (secret: string) => ({ authorization: `Bearer ${secret}` });
    await post(`${gateway.url}/v2/models/other/jobs`, '0,1,2', { ...csv, ...as(admin), 'idempotency-key': 'theirs' });
    await post(`${gateway.url}/v2/models/demand/jobs`, '0,1,2', { ...csv, ...as(key), 'idempotency-key': 'ours' });
    const status = async (path: string, method = 'GET') => (await fetch(gateway.url + path, { method, headers: as(key) })).status;
    expect((await post(`${gateway.url}/v2/models/other/jobs`, '0,1,2', { ...csv, ...as(key) })).status).toBe(403);
    for (const path of ['/v2/jobs/theirs', '/v2/jobs/theirs/result']) expect(await status(path)).toBe(403);
    expect(await status('/v2/jobs/theirs', 'DELETE')).toBe(403);
    expect(await status('/v2/jobs/ours')).toBe(200);
    expect((await fetch(`${gateway.url}/v2/jobs/theirs`, { headers: as(admin) })).status).toBe(200);
  });
});

describe('jobs of several processes behind one address', () => {
  it('are found by each, and are one under one id', async () => {
    const both: Gateway[] = [];
    const besides = (index: number): Siblings => ({
      index,
      serving: false,
      ask: async (call: SiblingCall) => [{ ...(await both[1 - index]!.answerSibling(call)), index: 1 - index }],
    });
    for (const index of [0, 1])
      both.push(await stage.start({ folder: join(stage.folder, `process-${index}`) }, { siblings: besides(index) }));
    const [first, second] = both as [Gateway, Gateway];
    const key = { ...csv, 'idempotency-key': 'shared' };
    expect((await post(`${first.url}/v2/models/demand/jobs`, '0,1,2\n0,3,4', key)).status).toBe(202);
    expect((await post(`${second.url}/v2/models/demand/jobs`, '0,1,2\n0,3,4', key)).status).toBe(200);
    expect((await post(`${second.url}/v2/models/demand/jobs`, '0,1,2', key)).status).toBe(409);
    await until(async () => (await get<{ state: string }>(`${second.url}/v2/jobs/shared`)).body.state === 'succeeded');
    const lines = await (await fetch(`${second.url}/v2/jobs/shared/result`)).text();
    expect(
      lines
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { outputs: unknown }).outputs),
    ).toEqual([{ value: 21 }, { value: 43 }]);
    expect((await fetch(`${second.url}/v2/jobs/shared`, { method: 'DELETE' })).status).toBe(200);
    expect((await get(`${first.url}/v2/jobs/shared`)).status).toBe(404);
  });
});
