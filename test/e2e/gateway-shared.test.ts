import { get as httpGet, request as httpRequest } from 'node:http';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { changeGatewayKeys } from '../../adapters/keys/gateway-key-file.js';
import { makeGatewayKey } from '../../adapters/keys/gateway-key.js';
import { Stack } from './stack.js';
import { serveToy } from './toy-model.js';

const model = 'toy-shared';
let stack: Stack;
let shop: string;
let ops: string;

beforeAll(async () => {
  stack = await Stack.open();
  await serveToy(stack, model);
  const usual = { models: null, expiresAtMs: null };
  const slow = makeGatewayKey({ ...usual, name: 'shop', role: 'predict', requestsPerSecond: 0.01 }, Date.now());
  const free = makeGatewayKey({ ...usual, name: 'ops', role: 'admin', requestsPerSecond: null }, Date.now());
  await changeGatewayKeys(join(stack.home, 'gateway-keys.json'), () => [slow.key, free.key]);
  [shop, ops] = [slow.secret, free.secret];
});
afterEach(() => stack.stop('gateway'));
afterAll(() => stack?.close());

const input = (name: string, datatype: string, data: readonly number[]) => ({ name, datatype, shape: [data.length], data });
const rows = (a: readonly number[]) => ({
  inputs: [
    input(
      'hour',
      'INT64',
      a.map((_, i) => i * 3_600_000),
    ),
    input('a', 'FP64', a),
    input(
      'b',
      'FP64',
      a.map(() => 2),
    ),
  ],
});

/** Each on a connection of its own, so that they fall on the processes in turn. */
const post = (path: string, body: unknown, headers: Record<string, string>): Promise<number> =>
  new Promise((resolve, reject) => {
    const request = httpRequest(`${stack.gatewayUrl}${path}`, { method: 'POST', agent: false, headers }, (response) => {
      void text(response).then(() => resolve(response.statusCode ?? 0), reject);
    });
    request.once('error', reject);
    request.end(JSON.stringify(body));
  });
const get = (path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${ops}` };
    httpGet(`${stack.gatewayUrl}${path}`, { agent: false, headers }, (response) => void text(response).then(resolve, reject)).once(
      'error',
      reject,
    );
  });
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}

describe('processes of one gateway', () => {
  test('count the requests of a key together', async () => {
    await stack.start('gateway', { PERENNIAL_GATEWAY_PROCESSES: '2' });
    const statuses = await Promise.all(
      Array.from({ length: 24 }, () => post(`/v2/models/${model}/infer`, rows([7]), { authorization: `Bearer ${shop}` })),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 429)).toHaveLength(23);
    // Both had some of them.
    const denied = [...(await get('/metrics')).matchAll(/^gateway_access_denied_total\{process="(\d)"\} (\d+)$/gm)];
    expect(denied.map(([, , count]) => Number(count)).reduce((sum, count) => sum + count, 0)).toBe(23);
    expect(denied.every(([, , count]) => Number(count) > 0)).toBe(true);
  });

  test('have their jobs go on when there are fewer of them', async () => {
    await stack.start('gateway', { PERENNIAL_GATEWAY_PROCESSES: '2' });
    const ids = Array.from({ length: 8 }, (_, i) => `job-${i}`);
    const headers = (id: string) => ({ authorization: `Bearer ${ops}`, 'idempotency-key': id });
    for (const id of ids) expect(await post(`/v2/models/${model}/jobs`, rows([1, 2, 3]), headers(id))).toBe(202);
    const folder = join(stack.home, 'gateway', 'process-1', 'jobs');
    expect(readdirSync(folder).length).toBeGreaterThan(0);
    await stack.stop('gateway');
    await stack.start('gateway', { PERENNIAL_GATEWAY_PROCESSES: '1' });
    for (const id of ids) {
      await until(async () => (JSON.parse(await get(`/v2/jobs/${id}`)) as { state: string }).state === 'succeeded');
      expect((await get(`/v2/jobs/${id}/result`)).trim().split('\n')).toHaveLength(3);
    }
    expect(readdirSync(join(stack.home, 'gateway'))).not.toContain('process-1');
  });
});
