import { createHash } from 'node:crypto';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { JWK } from 'jose';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, describe, expect, test } from 'vitest';
import { changeGatewayKeys, gatewayKeySource, loadGatewayKeys } from '../../adapters/keys/gateway-key-file.js';
import type { NewGatewayKey } from '../../adapters/keys/gateway-key.js';
import { makeGatewayKey } from '../../adapters/keys/gateway-key.js';
import type { Gateway } from '../../gateway/gateway.js';
import type { GatewaySettings } from '../../gateway/gateway-config.js';
import { post, pairs, until } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
await stage.addVersion({ model: 'demand', version: '1.0.0', onnx: 'linear' });
await stage.addVersion({ model: 'other', version: '1.0.0', onnx: 'linear' });
stage.registry.setRoute({ model: 'demand', variants: [{ version: '1.0.0', weight: 1 }] });
stage.registry.setRoute({ model: 'other', variants: [{ version: '1.0.0', weight: 1 }] });

const { registry } = stage;
let files = 0;
const keyFile = () => join(stage.folder, `keys-${files++}.json`);
const start = (file: string, settings: Partial<GatewaySettings> = {}) =>
  stage.start(settings, {
    routes: registry.routes,
    captures: registry.captures,
    outcomes: registry.outcomes,
    keys: gatewayKeySource(file, 10),
  });

const usual = { models: null, requestsPerSecond: null, expiresAtMs: null };
async function addKey(file: string, of: Partial<NewGatewayKey> & Pick<NewGatewayKey, 'name' | 'role'>): Promise<string> {
  const { key, secret } = makeGatewayKey({ ...usual, ...of }, Date.now());
  await changeGatewayKeys(file, (keys) => [...keys, key]);
  return secret;
}

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
const infer = (gateway: Gateway, headers: Record<string, string>, model = 'demand') =>
  post<{ error?: string }>(`${gateway.url}/v2/models/${model}/infer`, pairs([[1, 2]]), headers);
const flush = (gateway: Gateway, headers: Record<string, string>) =>
  post<{ error?: string }>(`${gateway.url}/v2/captures/flush`, {}, headers);

describe('keys', () => {
  test('let their role do what it may, and nobody else anything but ask for health', async () => {
    const file = keyFile();
    const predict = await addKey(file, { name: 'shop', role: 'predict' });
    const admin = await addKey(file, { name: 'ops', role: 'admin' });
    const gateway = await start(file);
    expect((await fetch(`${gateway.url}/v2/health/ready`)).status).toBe(200);
    for (const path of ['/v2', '/v2/models', '/v2/models/demand', '/metrics'])
      expect((await fetch(gateway.url + path)).status, path).toBe(401);
    expect(await infer(gateway, {})).toMatchObject({ status: 401, body: { error: expect.stringContaining('Authorization: Bearer') } });
    expect((await infer(gateway, bearer('pk_wrong'))).status).toBe(401);
    expect((await infer(gateway, { authorization: predict })).status).toBe(401);
    for (let again = 0; again < 2; again++) {
      expect((await infer(gateway, bearer(predict))).status).toBe(200);
      expect(await flush(gateway, bearer(predict))).toMatchObject({ status: 403, body: { error: expect.stringContaining('role admin') } });
      expect((await flush(gateway, bearer(admin))).status).toBe(200);
      expect((await infer(gateway, bearer(admin))).status).toBe(200);
    }
    expect((await infer(gateway, { 'x-api-key': predict, authorization: 'AWS4-HMAC-SHA256 Credential=x' })).status).toBe(200);
    expect((await infer(gateway, { 'x-api-key': 'pk_wrong', ...bearer(predict) })).status).toBe(401);
  });

  test('are for the models that they name', async () => {
    const file = keyFile();
    const secret = await addKey(file, { name: 'shop', role: 'admin', models: ['demand'] });
    const gateway = await start(file);
    expect((await infer(gateway, bearer(secret))).status).toBe(200);
    expect(await infer(gateway, bearer(secret), 'other')).toMatchObject({
      status: 403,
      body: { error: expect.stringContaining("'other'") },
    });
    // Flushing is about all models.
    expect((await flush(gateway, bearer(secret))).status).toBe(403);
    const invocation = await post(`${gateway.url}/endpoints/other/invocations`, pairs([[1, 2]]), bearer(secret));
    expect(invocation.status).toBe(403);
    expect(invocation.headers.get('x-amzn-errortype')).toBe('AccessDeniedException');
  });

  test('are followed without a restart: added, revoked, and the file taken away', async () => {
    const file = keyFile();
    const gateway = await start(file);
    expect((await infer(gateway, {})).status).toBe(200);
    const secret = await addKey(file, { name: 'shop', role: 'predict' });
    await until(async () => (await infer(gateway, {})).status === 401);
    expect((await infer(gateway, bearer(secret))).status).toBe(200);
    await writeFile(file, '{"version":1,"keys":[{"name":');
    await until(() => stage.log.some(({ event }) => event === 'keysUnreadable'));
    expect((await infer(gateway, bearer(secret))).status).toBe(200);
    await writeFile(file, '{"version":1,"keys":[]}\n');
    await until(async () => (await infer(gateway, bearer(secret))).status === 401);
    const second = await addKey(file, { name: 'shop', role: 'predict' });
    await until(async () => (await infer(gateway, bearer(second))).status === 200);
    await changeGatewayKeys(file, (keys) => keys.map((key) => ({ ...key, revokedAtMs: Date.now() })));
    await until(async () => (await infer(gateway, bearer(second))).status === 401);
    // Without any key that counts the gateway does not open again.
    expect((await infer(gateway, {})).status).toBe(401);
  });

  test('end at their expiry, also when they were just seen', async () => {
    const file = keyFile();
    const expiresAtMs = Date.now() + 1_500;
    const secret = await addKey(file, { name: 'brief', role: 'predict', expiresAtMs });
    const gateway = await start(file);
    const before = await infer(gateway, bearer(secret));
    if (Date.now() < expiresAtMs) expect(before.status).toBe(200);
    await until(() => Date.now() > expiresAtMs);
    expect((await infer(gateway, bearer(secret))).status).toBe(401);
  });

  test('with a rate are answered 429 with Retry-After beyond it, each by itself', async () => {
    const file = keyFile();
    const slow = await addKey(file, { name: 'slow', role: 'predict', requestsPerSecond: 0.01 });
    const free = await addKey(file, { name: 'free', role: 'predict' });
    const gateway = await start(file);
    expect((await infer(gateway, bearer(slow))).status).toBe(200);
    const second = await infer(gateway, bearer(slow));
    expect(second).toMatchObject({ status: 429, body: { error: expect.stringContaining("'slow' may send 0.01 requests a second") } });
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(1);
    expect((await infer(gateway, bearer(free))).status).toBe(200);
    // A change of other keys does not fill the bucket again.
    const added = await addKey(file, { name: 'added', role: 'predict' });
    await until(async () => (await infer(gateway, bearer(added))).status === 200);
    expect((await infer(gateway, bearer(slow))).status).toBe(429);
  });

  test('of people are kept by scrypt and shown by name', async () => {
    const file = keyFile();
    await addKey(file, { name: 'ann', role: 'predict', password: 'correct horse battery' });
    const gateway = await start(file);
    const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
    for (let again = 0; again < 2; again++) {
      expect((await infer(gateway, basic('ann:correct horse battery'))).status).toBe(200);
      expect((await infer(gateway, basic('ann:correct horse'))).status).toBe(401);
      expect((await infer(gateway, basic('bob:correct horse battery'))).status).toBe(401);
    }
    expect((await infer(gateway, bearer('correct horse battery'))).status).toBe(401);
    // A flood of guesses is turned away before it takes the machine.
    const guesses = await Promise.all(Array.from({ length: 100 }, (_, i) => infer(gateway, basic(`ann:guess number ${i}`))));
    expect(new Set(guesses.map(({ status }) => status))).toEqual(new Set([401, 503]));
    expect((await infer(gateway, basic('ann:correct horse battery'))).status).toBe(200);
  });

  test('stand beside the platform token, which is an admin key', async () => {
    const file = keyFile();
    const gateway = await start(file, { localToken: 'the-token-of-this-home' });
    expect((await infer(gateway, {})).status).toBe(200);
    await addKey(file, { name: 'shop', role: 'predict' });
    await until(async () => (await infer(gateway, {})).status === 401);
    expect((await flush(gateway, bearer('the-token-of-this-home'))).status).toBe(200);
  });
});

describe('the key file', () => {
  test('holds digests alone, is its owner’s, and is refused when others may write it', async () => {
    const file = keyFile();
    const secret = await addKey(file, { name: 'shop', role: 'predict' });
    const text = await readFile(file, 'utf8');
    expect(text).not.toContain(secret);
    expect(text).toContain(createHash('sha256').update(secret).digest('hex'));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await chmod(file, 0o622);
    await expect(loadGatewayKeys(file)).rejects.toThrow('chmod 600');
    await expect(start(file)).rejects.toThrow('chmod 600');
  });

  test.each([
    ['no JSON', '{', /no keys that can be read/],
    ['a role that is none', { role: 'root' }, /keys\.0\.role/],
    ['a digest that is none', { digest: 'md5:00' }, /keys\.0\.digest/],
    ['a field that is none', { secret: 'x' }, /secret/],
    ['a rate below zero', { requestsPerSecond: -1 }, /keys\.0\.requestsPerSecond/],
  ])('is refused with %s', async (_, change, message) => {
    const file = keyFile();
    const { key } = makeGatewayKey({ ...usual, name: 'shop', role: 'predict' }, 0);
    await writeFile(file, typeof change === 'string' ? change : JSON.stringify({ version: 1, keys: [{ ...key, ...change }] }));
    await expect(loadGatewayKeys(file)).rejects.toThrow(message);
  });

  test('keeps every key of commands that run at once', async () => {
    const file = keyFile();
    await Promise.all(Array.from({ length: 8 }, (_, i) => addKey(file, { name: `key-${i}`, role: 'predict' })));
    expect((await loadGatewayKeys(file)).map(({ name }) => name).sort()).toEqual(Array.from({ length: 8 }, (_, i) => `key-${i}`));
  });
});

describe('JSON Web Tokens', () => {
  const issuer = 'https://login.example.com/';
  const audience = 'perennial';
  const claims = (more: Record<string, unknown> = {}) => new SignJWT({ role: 'predict', ...more }).setIssuer(issuer).setAudience(audience);
  const soon = () => Math.floor(Date.now() / 1000) + 60;
  const none = { secret: null, keySet: null, roleClaim: 'role' };

  test('HS256: role, issuer, audience, expiry and signature all count', async () => {
    const secret = 'a secret of at least 32 characters';
    const gateway = await stage.start({ tokens: { ...none, issuer, audience, secret } });
    const signed = (jwt: SignJWT, by = secret) => jwt.setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(by));
    const good = await signed(claims().setExpirationTime(soon()));
    expect((await infer(gateway, {})).status).toBe(401);
    for (let again = 0; again < 2; again++) {
      expect((await infer(gateway, bearer(good))).status).toBe(200);
      expect((await flush(gateway, bearer(good))).status).toBe(403);
    }
    const admin = await signed(claims({ role: ['reader', 'admin'] }).setExpirationTime(soon()));
    expect((await flush(gateway, bearer(admin))).status).toBe(200);
    const limited = await signed(claims({ models: ['other'] }).setExpirationTime(soon()));
    expect((await infer(gateway, bearer(limited))).status).toBe(403);
    const [head = '', payload = '', signature = ''] = good.split('.');
    const unsigned = Buffer.from('{"alg":"none"}').toString('base64url');
    const refused: Record<string, string> = {
      'another secret': await signed(claims().setExpirationTime(soon()), 'another secret of 32 characters!'),
      'another issuer': await signed(claims().setIssuer('https://evil.example.com/').setExpirationTime(soon())),
      'another audience': await signed(claims().setAudience('billing').setExpirationTime(soon())),
      'no expiry': await signed(claims()),
      'an expiry that is past': await signed(claims().setExpirationTime(soon() - 120)),
      'not valid yet': await signed(
        claims()
          .setNotBefore(soon())
          .setExpirationTime(soon() + 60),
      ),
      'no role': await signed(claims({ role: 'reader' }).setExpirationTime(soon())),
      'a model list that is none': await signed(claims({ models: 'demand' }).setExpirationTime(soon())),
      'no signature': `${unsigned}.${payload}.`,
      'another payload': `${head}.${Buffer.from(JSON.stringify({ iss: issuer, aud: audience, exp: soon(), role: 'admin' })).toString('base64url')}.${signature}`,
      'no token': 'a.b.c',
    };
    for (const [why, token] of Object.entries(refused)) expect((await infer(gateway, bearer(token))).status, why).toBe(401);
  });

  test.each(['RS256', 'ES256', 'EdDSA'] as const)('%s by a key set in a file, whose keys change', async (alg) => {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const jwk: JWK = { ...(await exportJWK(publicKey)), kid: 'one', alg };
    const keySet = join(stage.folder, `keys-${alg}.json`);
    await writeFile(keySet, JSON.stringify({ keys: [jwk] }));
    const gateway = await stage.start({ tokens: { ...none, issuer, audience, keySet, roleClaim: 'realm_access.roles' } });
    const jwt = (role: string) =>
      new SignJWT({ realm_access: { roles: [role] } }).setIssuer(issuer).setAudience(audience).setExpirationTime(soon());
    const token = await jwt('predict').setProtectedHeader({ alg, kid: 'one' }).sign(privateKey);
    expect((await infer(gateway, bearer(token))).status).toBe(200);
    expect((await flush(gateway, bearer(token))).status).toBe(403);
    // The public key as an HMAC secret: the oldest trick with tokens.
    const asSecret = new TextEncoder().encode(JSON.stringify(jwk));
    const forged = await jwt('admin').setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(asSecret);
    expect((await flush(gateway, bearer(forged))).status).toBe(401);
    const next = await generateKeyPair(alg, { extractable: true });
    const rotated = await jwt('admin').setProtectedHeader({ alg, kid: 'two' }).sign(next.privateKey);
    expect((await flush(gateway, bearer(rotated))).status).toBe(401);
    await writeFile(keySet, JSON.stringify({ keys: [jwk, { ...(await exportJWK(next.publicKey)), kid: 'two', alg }] }));
    expect((await flush(gateway, bearer(rotated))).status).toBe(200);
  });

  test('by a key set at an address; 503 while it is away', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    let away = true;
    let asked = 0;
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' };
    const server = createServer((_, response) => {
      asked++;
      response.writeHead(away ? 500 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ keys: [jwk] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    afterAll(() => void server.close());
    const keySet = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
    const gateway = await stage.start({ tokens: { ...none, issuer, audience, keySet } });
    const token = await claims().setProtectedHeader({ alg: 'ES256', kid: 'one' }).setExpirationTime(soon()).sign(privateKey);
    const early = await infer(gateway, bearer(token));
    expect(early.status).toBe(503);
    expect(early.headers.get('retry-after')).not.toBeNull();
    away = false;
    expect((await infer(gateway, bearer(token))).status).toBe(200);
    const before = asked;
    for (let again = 0; again < 5; again++) expect((await infer(gateway, bearer(token))).status).toBe(200);
    expect(asked).toBe(before);
  });
});
