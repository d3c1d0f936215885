import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStack, type Stack, token } from '../clients/stack.js';

let stack: Stack;
beforeAll(async () => {
  stack = await openStack({ withWorker: false });
});
afterAll(() => stack?.close());

type Call = { readonly method: string; readonly path: string; readonly headers?: Record<string, string> };

/** `fetch` allows no Host header of one's own. */
function call({ method, path, headers = {} }: Call): Promise<{ status: number; body: { error?: { type: string; message: string } } }> {
  return new Promise((resolve, reject) => {
    const url = new URL(path, stack.apiUrl);
    const outgoing = request(url, { method, headers: { 'content-type': 'application/json', ...headers } }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text === '' ? {} : (JSON.parse(text) as object) }));
    });
    outgoing.on('error', reject);
    outgoing.end(['POST', 'PUT', 'PATCH'].includes(method) ? '{}' : undefined);
  });
}

const right = { authorization: `Bearer ${token}` };
const denials = [
  ['no token', {}, 401],
  ['a wrong token', { authorization: `Bearer ${'x'.repeat(43)}` }, 401],
  ['the token in another scheme', { authorization: `Basic ${token}` }, 401],
  ['a Host of somebody else', { ...right, host: 'attacker.example' }, 403],
  ['a Host with another port', { ...right, host: '127.0.0.1:1' }, 403],
  ['an Origin of somebody else', { ...right, origin: 'https://attacker.example' }, 403],
  ['the Origin null', { ...right, origin: 'null' }, 403],
  ['a page of another site', { ...right, 'sec-fetch-site': 'cross-site' }, 403],
] as const;

/** Every route that there is, with its parameters filled in. */
const routes = (): { method: string; path: string }[] =>
  stack.api.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => ({ method, path: path.replace(/:[a-z]+/gi, 'something') }));

describe('every route', () => {
  test('is in the table that is walked here', () => {
    expect(routes().length).toBeGreaterThan(30);
    expect(routes()).toContainEqual({ method: 'POST', path: '/api/models/something/decide' });
  });

  test.each(denials)('refuses %s', async (_what, headers, status) => {
    for (const route of routes()) {
      const answer = await call({ ...route, headers });
      // The health check alone wants no token; Host and Origin count there too.
      const expected = route.path === '/api/health' && status === 401 ? 200 : status;
      expect({ ...route, status: answer.status }).toEqual({ ...route, status: expected });
      if (expected !== 200) expect(answer.body.error?.type).toBe(status === 401 ? 'Unauthorized' : 'Forbidden');
    }
  });

  test('lets the right token through', async () => {
    for (const route of routes()) {
      const { status } = await call({ ...route, headers: right });
      expect([401, 403]).not.toContain(status);
      expect({ ...route, failed: status >= 500 }).toEqual({ ...route, failed: false });
    }
  });
});

describe('a denied call', () => {
  test('is audited with its route and the actor that it claims', async () => {
    await call({ method: 'POST', path: '/api/models/secret-plan/rollback', headers: { 'x-perennial-by': 'mallory' } });
    const [entry] = await stack.registry.audit({ action: 'api.denied', by: 'mallory' });
    expect(entry).toMatchObject({
      outcome: 'refused',
      identity: 'claimed',
      details: { method: 'POST', route: '/api/models/secret-plan/rollback', status: 401 },
    });
  });

  test('to a route that does not exist is denied before it is not found', async () => {
    expect((await call({ method: 'GET', path: '/api/nothing' })).status).toBe(401);
    expect((await call({ method: 'GET', path: '/api/nothing', headers: right })).status).toBe(404);
  });

  test('does not tell whether a model exists', async () => {
    const { name } = await stack.publish();
    const known = await call({ method: 'GET', path: `/api/models/${name}` });
    const unknown = await call({ method: 'GET', path: '/api/models/unknown' });
    expect(known).toEqual(unknown);
  });
});
