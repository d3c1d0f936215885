import { readFile, stat } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { SageMakerRuntimeClientConfig } from '@aws-sdk/client-sagemaker-runtime';
import {
  InvokeEndpointAsyncCommand,
  InvokeEndpointCommand,
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from '@aws-sdk/client-sagemaker-runtime';
import { Sha256 } from '@smithy/core/checksum';
import { HttpRequest } from '@smithy/core/protocols';
import { SignatureV4 } from '@smithy/signature-v4';
import { describe, expect, test } from 'vitest';
import { changeGatewayKeys, gatewayKeySource } from '../../adapters/keys/gateway-key-file.js';
import type { NewAwsPair, NewGatewayKey } from '../../adapters/keys/gateway-key.js';
import { makeAwsKey } from '../../adapters/keys/gateway-key.js';
import { revokedKey } from '../../contracts/gateway-keys.js';
import { until } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
await stage.addLive({ model: 'demand', version: '1.0.0', onnx: 'linear' });
await stage.addLive({ model: 'other', version: '1.0.0', onnx: 'linear' });
const file = join(stage.folder, 'keys.json');
const pairs = {
  shop: await addPair({ name: 'shop', role: 'predict' }),
  ops: await addPair({ name: 'ops', role: 'admin' }),
  other: await addPair({ name: 'other', role: 'predict', models: ['other'] }),
  slow: await addPair({ name: 'slow', role: 'predict', requestsPerSecond: 0.01 }),
  past: await addPair({ name: 'past', role: 'predict', expiresAtMs: 1 }),
};
const { registry } = stage;
const gateway = await stage.start(
  {},
  { routes: registry.routes, captures: registry.captures, outcomes: registry.outcomes, keys: gatewayKeySource(file, 10) },
);

async function addPair(of: Partial<NewGatewayKey> & Pick<NewGatewayKey, 'name' | 'role'>): Promise<NewAwsPair> {
  const { key, pair } = makeAwsKey({ models: null, requestsPerSecond: null, expiresAtMs: null, ...of }, Date.now());
  await changeGatewayKeys(file, (keys) => [...keys, key]);
  return pair;
}

const region = 'eu-central-1';
/** The stock client: nothing but its endpoint and its credentials are ours. */
const clientOf = (credentials: NewAwsPair, more: Partial<SageMakerRuntimeClientConfig> = {}) =>
  new SageMakerRuntimeClient({ endpoint: gateway.url, region, credentials, maxAttempts: 1, ...more });
const question = (rows = 1) => ({
  EndpointName: 'demand',
  ContentType: 'application/json',
  Body: Buffer.from(JSON.stringify({ instances: Array.from({ length: rows }, (_, i) => [0, 1, i]) })),
});

async function invoke(client: SageMakerRuntimeClient, more: { EndpointName?: string; TargetVariant?: string; rows?: number } = {}) {
  const { rows, ...rest } = more;
  const answer = await client.send(new InvokeEndpointCommand({ ...question(rows), ...rest }));
  return JSON.parse(Buffer.from(answer.Body).toString('utf8')) as { predictions: number[] };
}

type Refused = { name: string; message: string; $metadata: { httpStatusCode: number; attempts: number } };
const refused = (call: Promise<unknown>): Promise<Refused> =>
  call.then(
    () => expect.fail('the call was answered'),
    (error: unknown) => error as Refused,
  );

/** The stock client with a hand in what it sends, once that is signed. */
function tampered(change: (request: HttpRequest) => void): SageMakerRuntimeClient {
  const client = clientOf(pairs.shop);
  client.middlewareStack.add(
    (next) => (args) => {
      change(args.request as HttpRequest);
      return next(args);
    },
    { step: 'deserialize', priority: 'low' },
  );
  return client;
}

describe('the AWS SDK, its endpoint and credentials changed and nothing else', () => {
  test('is answered: plain calls, large ones, streams, asynchronous ones', async () => {
    const client = clientOf(pairs.shop);
    expect((await invoke(client)).predictions).toEqual([1]);
    expect((await invoke(client, { TargetVariant: 'champion' })).predictions).toEqual([1]);
    // Larger than what the quick lane takes.
    const large = await invoke(client, { rows: 12_000 });
    expect(large.predictions).toHaveLength(12_000);
    const stream = await client.send(new InvokeEndpointWithResponseStreamCommand(question(3)));
    let text = '';
    for await (const event of stream.Body ?? []) text += Buffer.from(event.PayloadPart?.Bytes ?? []).toString('utf8');
    expect(text.trim().split('\n')).toHaveLength(3);
    const late = refused(
      client.send(new InvokeEndpointAsyncCommand({ EndpointName: 'demand', InputLocation: 'ftp://x', ContentType: 'text/csv' })),
    );
    expect((await late).name).toBe('ValidationError');
  });

  test('is told in AWS’s words what is wrong with its credentials', async () => {
    const wrongSecret = await refused(invoke(clientOf({ ...pairs.shop, secretAccessKey: pairs.ops.secretAccessKey })));
    expect(wrongSecret).toMatchObject({ name: 'InvalidSignatureException', $metadata: { httpStatusCode: 403 } });
    expect(wrongSecret.message).toMatch(/secret access key/);
    const unknown = await refused(invoke(clientOf({ ...pairs.shop, accessKeyId: 'AKIDEXAMPLE' })));
    expect(unknown).toMatchObject({ name: 'UnrecognizedClientException', $metadata: { httpStatusCode: 403 } });
    expect(unknown.message).toMatch(/AKIDEXAMPLE .*keys create <name> --aws/);
    const expired = await refused(invoke(clientOf(pairs.past)));
    expect(expired).toMatchObject({ name: 'ExpiredTokenException', $metadata: { httpStatusCode: 403 } });
  });

  test('may call the models of its key alone, at its rate', async () => {
    const client = clientOf(pairs.other);
    expect((await invoke(client, { EndpointName: 'other' })).predictions).toEqual([1]);
    expect(await refused(invoke(client))).toMatchObject({ name: 'AccessDeniedException', $metadata: { httpStatusCode: 403 } });
    // Who knows the id of a key alone does not use up its rate.
    const guess = clientOf({ ...pairs.slow, secretAccessKey: pairs.shop.secretAccessKey });
    for (let i = 0; i < 3; i++) expect((await refused(invoke(guess))).name).toBe('InvalidSignatureException');
    expect((await invoke(clientOf(pairs.slow))).predictions).toEqual([1]);
    expect(await refused(invoke(clientOf(pairs.slow)))).toMatchObject({ name: 'ThrottlingException', $metadata: { httpStatusCode: 429 } });
  });

  test('is refused once its key is revoked, of which no secret stays', async () => {
    const pair = await addPair({ name: 'brief', role: 'predict' });
    const client = clientOf(pair);
    await until(() => invoke(client).then(() => true, () => false)); // prettier-ignore
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).toContain(pair.secretAccessKey);
    await changeGatewayKeys(file, (keys) => keys.map((key) => (key.name === 'brief' ? revokedKey(key, Date.now()) : key)));
    await until(() => invoke(client).then(() => false, () => true)); // prettier-ignore
    expect((await refused(invoke(client))).name).toBe('UnrecognizedClientException');
    expect(await readFile(file, 'utf8')).not.toContain(pair.secretAccessKey);
    expect((await invoke(clientOf(pairs.shop))).predictions).toEqual([1]);
  });

  test('with a wrong clock is refused, and corrects itself by our date', async () => {
    for (const [systemClockOffset, words] of [
      [-360_000, /^Signature expired: \d{8}T\d{6}Z is now earlier than .* - 5 min\.\)$/],
      [360_000, /^Signature not yet current: .* \+ 5 min\.\)$/],
    ] as const) {
      const client = clientOf(pairs.shop, { systemClockOffset });
      const error = await refused(invoke(client));
      expect(error).toMatchObject({ name: 'InvalidSignatureException', $metadata: { httpStatusCode: 403 } });
      expect(error.message).toMatch(words);
      expect((await invoke(client)).predictions).toEqual([1]);
    }
    expect((await invoke(clientOf(pairs.shop, { systemClockOffset: -240_000 }))).predictions).toEqual([1]);
  });

  test.each<[string, (request: HttpRequest) => void]>([
    ['body', (request) => (request.body = Buffer.from((request.body as Buffer).toString().replace('1', '2')))],
    [
      'body, and its hash in the header',
      (request) => {
        request.body = Buffer.from('{"instances":[[0,2,0]]}');
        request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      },
    ],
    ['path', (request) => (request.path = '/endpoints/other/invocations')],
    ['query', (request) => (request.query = { a: 'b' })],
    ['content type', (request) => (request.headers['content-type'] = 'text/csv')],
    ['added header that AWS defines', (request) => (request.headers['x-amzn-sagemaker-target-variant'] = 'challenger')],
    [
      'date',
      (request) =>
        (request.headers['x-amz-date'] = request.headers['x-amz-date']!.replace(/\d\dZ$/, (end) => (end === '00Z' ? '01Z' : '00Z'))),
    ],
    ['hash that did not come', (request) => delete request.headers['x-amz-content-sha256']],
  ])('is refused when its %s changed on the way', async (_, change) => {
    const error = await refused(invoke(tampered(change)));
    expect(error).toMatchObject({ name: 'InvalidSignatureException', $metadata: { httpStatusCode: 403 } });
    expect((await invoke(tampered(() => undefined))).predictions).toEqual([1]);
  });
});

type Sent = {
  method?: string;
  path?: string;
  query?: Record<string, string | string[]>;
  headers?: Record<string, string>;
  body?: Buffer | string;
};
type Signing = {
  pair?: NewAwsPair;
  service?: string;
  unsigned?: string[];
  sentBody?: string;
  /** Before the rest of the body is sent. */
  pause?: Promise<void>;
  change?: (headers: Record<string, string>) => void;
};

/** A request that was signed by the library that AWS's client uses, over any route. */
async function send(sent: Sent, { pair = pairs.shop, service = 'sagemaker', unsigned = [], change, sentBody, pause }: Signing = {}) {
  const { method = 'POST', path = '/v2/models/demand/infer', query = {}, headers = {}, body = '' } = sent;
  const { host, hostname, port } = new URL(gateway.url);
  const signer = new SignatureV4({ credentials: pair, region, service, sha256: Sha256, applyChecksum: false });
  const signed = await signer.sign(new HttpRequest({ method, path, query, headers: { host, ...headers }, body }), {
    unsignableHeaders: new Set(unsigned),
  });
  change?.(signed.headers);
  const search = Object.entries(query).flatMap(([name, values]) =>
    [values].flat().map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
  );
  const url = search.length === 0 ? path : `${path}?${search.join('&')}`;
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const request = httpRequest({ hostname, port, method, path: url, headers: signed.headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: text.replaceAll('\\"', '"') }));
    });
    request.on('error', reject);
    if (pause === undefined) return request.end(sentBody ?? body);
    request.write(body.slice(0, 10));
    void pause.then(() => request.end(body.slice(10)));
  });
}

const tensors = JSON.stringify({
  inputs: ['hour', 'a', 'b'].map((name) => ({ name, datatype: name === 'hour' ? 'INT64' : 'FP64', shape: [1], data: [1] })),
});
const json = { 'content-type': 'application/json' };

describe('a signature', () => {
  test('counts on every route that takes a key, with the role of its key', async () => {
    expect(await send({ headers: json, body: tensors })).toMatchObject({ status: 200 });
    expect(await send({ method: 'GET', path: '/v2/models' })).toMatchObject({ status: 200 });
    expect(await send({ method: 'GET', path: '/v2/health/live' })).toMatchObject({ status: 200 });
    const admin = { path: '/v2/captures/flush', headers: json, body: '{}' };
    expect(await send(admin)).toMatchObject({ status: 403, text: expect.stringContaining("'shop' has the role predict") as string });
    expect(await send(admin, { pair: pairs.ops })).toMatchObject({ status: 200 });
    expect(await send({ headers: json, body: tensors }, { pair: { ...pairs.shop, secretAccessKey: 'x'.repeat(43) } })).toMatchObject({
      status: 401,
      text: expect.stringContaining('the signature is refused') as string,
    });
    // The health routes are open, whatever is shown.
    expect(await send({ method: 'GET', path: '/v2/health/live' }, { pair: pairs.past })).toMatchObject({ status: 200 });
  });

  test('covers query and bodies as they are sent, also packed ones', async () => {
    const query = { 'b c': ['2', '1+1'], a: 'ä&=', empty: '' };
    expect(await send({ method: 'GET', path: '/v2/models', query })).toMatchObject({ status: 200 });
    const packed = { ...json, 'content-encoding': 'gzip' };
    expect(await send({ headers: packed, body: gzipSync(tensors) })).toMatchObject({ status: 200 });
    expect(await send({ headers: packed, body: tensors })).toMatchObject({ status: 400 });
    const pieces = { ...json, 'transfer-encoding': 'chunked' };
    expect(await send({ headers: pieces, body: tensors })).toMatchObject({ status: 200 });
  });

  test.each<[string, Signing, RegExp]>([
    ['another service', { service: 's3' }, /made for the service "s3"/],
    ['an unsigned host', { unsigned: ['host'] }, /"host" has to be signed/],
    ['an unsigned content type', { unsigned: ['content-type'] }, /"content-type" has to be signed/],
    ['a header that did not come', { change: (h) => delete h['x-own'] }, /"x-own" is signed and did not come/],
    ['no date', { change: (h) => delete h['x-amz-date'] }, /X-Amz-Date is missing/],
    ['a date that is none', { change: (h) => (h['x-amz-date'] = '20261399T000000Z') }, /X-Amz-Date is missing or not/],
    [
      'another algorithm',
      { change: (h) => (h['authorization'] = h['authorization']!.replace('HMAC', 'ECDSA-P256')) },
      /only the algorithm/,
    ],
    ['another scope', { change: (h) => (h['authorization'] = h['authorization']!.replace('/aws4_request', '')) }, /"Credential" is not/],
    [
      'another day',
      { change: (h) => (h['authorization'] = h['authorization']!.replace(/\/\d{8}\//, '/20200101/')) },
      /not that of X-Amz-Date/,
    ],
    [
      'another region',
      { change: (h) => (h['authorization'] = h['authorization']!.replace(region, 'us-east-1')) },
      /not what this gateway calculates/,
    ],
    [
      'no names',
      { change: (h) => (h['authorization'] = h['authorization']!.replace(/SignedHeaders=[^,]*/, '')) },
      /"SignedHeaders" is no list/,
    ],
    ['another body', { sentBody: tensors.replace('[1]', '[2]') }, /not what this gateway calculates/],
    ['a short signature', { change: (h) => (h['authorization'] = h['authorization']!.slice(0, -1)) }, /64 hexadecimal digits/],
  ])('with %s is refused', async (_, signing, words) => {
    const own = { ...json, 'x-own': 'x' };
    const answer = await send({ headers: own, body: tensors }, signing);
    expect(answer.status).toBe(401);
    expect(answer.text).toMatch(words);
    expect((await send({ headers: own, body: tensors })).status).toBe(200);
  });

  test('counts no longer when its key is revoked while the body comes', async () => {
    const pair = await addPair({ name: 'midway', role: 'predict' });
    await until(async () => (await send({ method: 'GET', path: '/v2/models' }, { pair })).status === 200);
    let goOn: (() => void) | undefined;
    const revoked = new Promise<void>((resolve) => (goOn = resolve));
    const answer = send({ headers: { ...json, 'transfer-encoding': 'chunked' }, body: tensors }, { pair, pause: revoked });
    await changeGatewayKeys(file, (keys) => keys.map((key) => (key.name === 'midway' ? revokedKey(key, Date.now()) : key)));
    await until(async () => (await send({ method: 'GET', path: '/v2/models' }, { pair })).status === 401);
    goOn?.();
    expect(await answer).toMatchObject({ status: 401, text: expect.stringContaining('counts no longer') as string });
  });

  test('of an unsigned body is refused, however well it is signed', async () => {
    for (const told of ['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', '0'.repeat(64)]) {
      const answer = await send({ headers: { ...json, 'x-amz-content-sha256': told }, body: tensors });
      expect(answer).toMatchObject({ status: 401, text: expect.stringContaining('is not the SHA-256 of the body') as string });
    }
  });

  test('is counted when refused, and not looked at beside a plain key', async () => {
    const denied = async () =>
      Number(/^gateway_access_denied_total (\d+)$/m.exec((await send({ method: 'GET', path: '/metrics' })).text)?.[1]);
    const before = await denied();
    expect((await send({ headers: json, body: tensors }, { service: 's3' })).status).toBe(401);
    expect(await denied()).toBe(before + 1);
    const shown = await send({ headers: json, body: tensors }, { change: (h) => (h['x-api-key'] = 'pk_wrong') });
    expect(shown).toMatchObject({ status: 401, text: expect.stringContaining('the key is not one of this gateway') as string });
  });
});
