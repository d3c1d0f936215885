import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ModelStatus } from '../../clients/api/answers.js';
import { readMoment } from '../../clients/api/moment.js';
import demandForecast from '../../models/demand-forecast.js';
import { openStack, type Stack, token } from '../clients/stack.js';

let stack: Stack;
beforeAll(async () => {
  stack = await openStack({ withWorker: false });
});
afterAll(() => stack?.close());

type Failure = { error: { type: string; message: string; details: Record<string, unknown> } };

async function call<T = Failure>(method: string, path: string, body?: unknown): Promise<{ status: number; body: T }> {
  const response = await fetch(new URL(path, stack.apiUrl), {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as T };
}

describe('the OpenAPI document', () => {
  test('is 3.1 and holds every route with its request and answer', async () => {
    const { body } = await call<{ openapi: string; paths: Record<string, Record<string, { responses: object }>> }>(
      'GET',
      '/api/openapi.json',
    );
    expect(body.openapi).toBe('3.1.0');
    const documented = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const routed = stack.api.routes
      .filter(({ method, path }) => method !== 'ALL' && path !== '/api/openapi.json')
      .map(({ method, path }) => `${method} ${path.replace(/:([a-z]+)/gi, '{$1}')}`);
    expect(documented.toSorted()).toEqual([...new Set(routed)].toSorted());
    for (const methods of Object.values(body.paths))
      for (const { responses } of Object.values(methods)) expect(Object.keys(responses)).toEqual(['200', 'default']);
  });
});

describe('a request that is wrong', () => {
  test('names each place and what is expected there', async () => {
    const { name } = await stack.publish();
    const { status, body } = await call('POST', `/api/models/${name}/decide`, { version: '1.0.0', decision: 'maybe', reason: 'x' });
    expect(status).toBe(400);
    expect(body.error.type).toBe('DataInvalid');
    expect(body.error.message).toMatch(/json\.decision/);
    expect(body.error.message).toMatch(/json\.by/);
  });

  test('for a model that does not exist is 404 with those that do', async () => {
    const { name } = await stack.publish();
    for (const path of ['', '/status', '/versions', '/runs', '/rollout', '/clock', '/aliases']) {
      const { status, body } = await call('GET', `/api/models/nowhere${path}`);
      expect([path, status, body.error.type]).toEqual([path, 404, 'NotFound']);
      expect(body.error.message).toContain(name);
    }
    expect((await call('POST', '/api/models/nowhere/retrain', { by: 'ann', reason: 'x' })).status).toBe(404);
    // And no workflow was started for it.
    await expect(stack.client.workflow.getHandle('model:nowhere').describe()).rejects.toThrow(/not found/i);
  });

  test('for a run or a version that does not exist is 404', async () => {
    const { name } = await stack.publish();
    expect((await call('GET', `/api/models/${name}/runs/none`)).status).toBe(404);
    expect((await call('GET', `/api/models/${name}/versions/9.9.9`)).status).toBe(404);
    expect((await call('GET', `/api/resolve?uri=models:/${name}@champion`)).status).toBe(404);
    expect((await call('GET', '/api/resolve?uri=models:nonsense')).status).toBe(400);
  });

  test('that is no JSON, or too large, is refused as such', async () => {
    const { name } = await stack.publish();
    expect((await call('POST', `/api/models/${name}/pause`, '{"by":')).status).toBe(400);
    const large = JSON.stringify({ definitions: ['x'.repeat(5_000_000)], by: 'ann', reason: 'x' });
    expect((await call('POST', '/api/definitions', large)).status).toBe(413);
  });
});

describe('definitions', () => {
  test('are published all or none, with their schedules', async () => {
    const name = 'published-here';
    const definition = { ...demandForecast, name };
    const wrong = { ...definition, name: 'wrong-one', split: { kind: 'random', trainShare: 2 } };
    const refused = await call('POST', '/api/definitions', { definitions: [definition, wrong], by: 'ann', reason: 'a test' });
    expect(refused.status).toBe(400);
    expect(refused.body.error.message).toMatch(/split\.kind/);
    expect((await call('GET', `/api/models/${name}`)).status).toBe(404);

    const done = await call<object[]>('POST', '/api/definitions', { definitions: [definition], by: 'ann', reason: 'a test' });
    expect(done.body).toMatchObject([{ model: name, changed: true, previous: null }]);
    expect((await call<object>('GET', `/api/models/${name}`)).body).toMatchObject({ model: name, definition: { name } });
    const { state } = await stack.client.schedule.getHandle(`schedule:${name}:daily`).describe();
    expect(state.paused).toBe(false);
  });
});

describe('the clock of a model', () => {
  test('is live until a driven one is made, and that one only moves forward', async () => {
    const { name } = await stack.publish();
    const path = `/api/models/${name}/clock`;
    expect((await call<object>('GET', path)).body).toMatchObject({ clock: { kind: 'live' } });
    expect((await call('PUT', path, { nowMs: 1_000, fromMs: 0 })).status).toBe(409);
    expect((await call<object>('PUT', path, { nowMs: 1_000 })).body).toEqual({ clock: { kind: 'driven', name }, nowMs: 1_000 });
    expect((await call<object>('PUT', path, { nowMs: 2_000, fromMs: 1_000 })).body).toMatchObject({ nowMs: 2_000 });
    // A retry of the same move is no error; a move from elsewhere and one backwards are.
    expect((await call('PUT', path, { nowMs: 2_000, fromMs: 1_000 })).status).toBe(200);
    expect((await call('PUT', path, { nowMs: 3_000, fromMs: 1_500 })).status).toBe(409);
    const back = await call('PUT', path, { nowMs: 500 });
    expect([back.status, back.body.error.type]).toEqual([409, 'Conflict']);
    expect((await call<object>('GET', path)).body).toMatchObject({ nowMs: 2_000 });
  });
});

describe('while no worker is up', () => {
  test('the status comes from the registry alone', async () => {
    const { name } = await stack.publish();
    const { status, body } = await call<ModelStatus>('GET', `/api/models/${name}/status`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ model: name, lifecycle: null, runs: [], waiting: [] });
  });

  test('a command says that nobody took it, and what to do', async () => {
    const { name } = await stack.publish();
    const { status, body } = await call('POST', `/api/models/${name}/rollback`, { by: 'ann', reason: 'too high' });
    expect([status, body.error.type]).toEqual([503, 'Unavailable']);
    expect(body.error.message).toMatch(/No worker took the command .*\.\/perennial up/);
  });
});

describe('policy and people', () => {
  test('are changed with an audit entry, and wrong changes are named', async () => {
    const wrong = await call('PATCH', '/api/policy', { change: { maxLatency: 80, minAccuracy: 90 }, by: 'ann', reason: 'x' });
    expect(wrong.status).toBe(400);
    expect(wrong.body.error.message).toMatch(/maxLatency: there is no such field.*minAccuracy: expected a fraction/);
    const done = await call<object>('PATCH', '/api/policy', { change: { maxLatencyMs: 80 }, by: 'ann', reason: 'faster', ticket: 'OPS-1' });
    expect(done.body).toMatchObject({ maxLatencyMs: 80 });
    const audit = await call<object[]>('GET', '/api/audit?ticket=OPS-1');
    expect(audit.body).toMatchObject([{ action: 'policy.edit', by: 'ann', reason: 'faster' }]);
    const history = await call<object[]>('GET', '/api/policy/history');
    expect(history.body.at(-1)).toMatchObject({ by: 'ann', policy: { maxLatencyMs: 80 } });
    const person = await call('POST', '/api/people', { name: 'eve', publicKey: 'no key', by: 'ann', reason: 'x' });
    expect([person.status, person.body.error.type]).toEqual([400, 'DataInvalid']);
    expect((await call<object>('GET', '/api/audit/verify')).body).toMatchObject({ kind: 'whole' });
  });
});

describe('a moment', () => {
  test.each([
    ['2011-11-01', Date.UTC(2011, 10, 1)],
    ['2011-11-01T02:00', Date.UTC(2011, 10, 1, 2)],
    ['2011-11-01 02:00:30Z', Date.UTC(2011, 10, 1, 2, 0, 30)],
    ['2011-11-01T02:00+02:00', Date.UTC(2011, 10, 1)],
    ['1320112800000', 1_320_112_800_000],
    ['tomorrow', null],
    ['2011-13-01', null],
    ['2011-11-01T25:00Z', null],
    ['', null],
  ])('%s', (text, timeMs) => {
    expect(readMoment(text)).toBe(timeMs);
  });
});
