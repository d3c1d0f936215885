import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { readConfig } from '../../workers/config.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
const open = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { hosts: ['gateway.example.com'] });
const closed = await stage.start({ token: 'the-token' });

/** Posts with any Host header, which fetch does not allow. */
function post(url: string, path: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
  const body = JSON.stringify({ labels: [{ subject: 'x', event_time_ms: 0, value: 1 }] });
  return new Promise((resolve, reject) => {
    const call = request(url + path, { method: 'POST', headers: { 'content-length': body.length, ...headers } }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => (text += String(chunk)));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    call.on('error', reject);
    call.end(body);
  });
}

const paths = ['/v2/captures/flush', '/v2/models/demand/labels'];

describe('a gateway that answers everybody on loopback', () => {
  const refused: [string, Record<string, string>, RegExp][] = [
    ['a name made to point here', { host: 'evil.example.com' }, /Host .*evil/],
    ['a name that begins like loopback', { host: '127.0.0.1.evil.example.com' }, /Host/],
    ['another site', { origin: 'https://evil.example.com' }, /Origin .*evil/],
    ['a page without an origin', { origin: 'null' }, /Origin .*null/],
    ['a page of another port', { origin: 'http://127.0.0.1:1' }, /Origin/],
    ['a request marked as cross-site', { 'sec-fetch-site': 'cross-site' }, /another site/],
  ];
  test.each(refused)('refuses %s', async (_, headers, message) => {
    for (const path of paths) {
      const answer = await post(open.url, path, headers);
      expect(answer.status).toBe(403);
      expect(answer.text).toMatch(message);
      expect((await post(open.url, path, {})).status).toBe(200);
    }
  });

  test('takes its own pages, loopback by its names, and the hosts that it was told', async () => {
    const { host, port } = new URL(open.url);
    const taken = [
      { origin: `http://${host}`, 'sec-fetch-site': 'same-origin' },
      { host: `localhost:${port}` },
      { host: `[::1]:${port}` },
      { host: 'gateway.example.com' },
    ];
    for (const headers of taken) for (const path of paths) expect((await post(open.url, path, headers)).status, path).toBe(200);
  });
});

describe('a gateway that wants keys', () => {
  test('goes by the key, whatever its host is called, and still refuses other sites', async () => {
    const authorization = 'Bearer the-token';
    expect((await post(closed.url, paths[0]!, { host: 'behind.a.balancer', authorization })).status).toBe(200);
    expect((await post(closed.url, paths[0]!, { origin: 'https://evil.example.com', authorization })).status).toBe(403);
    expect((await post(closed.url, paths[0]!, { host: 'behind.a.balancer' })).status).toBe(401);
  });
});

test('hosts are told in a list, in any case, with or without spaces', () => {
  const config = readConfig({ DATABASE_URL: 'x', PERENNIAL_WORKFLOW_BUNDLE: 'x', PERENNIAL_API_HOSTS: ' Gateway.Example.com, api:8500,,' });
  expect(config.apiHosts).toEqual(['gateway.example.com', 'api:8500']);
});
