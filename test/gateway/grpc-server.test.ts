import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientReadableStream, ClientDuplexStream, ServiceClientConstructor, GrpcObject } from '@grpc/grpc-js';
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath } from 'grpc-health-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../workers/config.js';
import { readGrpcTlsFiles } from '../../workers/grpc-tls.js';
import type { InferMessage } from './support/grpc-client.js';
import { GrpcClient, rawPairs, refusal, typedPairs } from './support/grpc-client.js';
import { get, until } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
const demand = { model: 'demand', version: '1.0.0', onnx: 'linear' };
const slow = { model: 'slow', version: '1.0.0', onnx: 'slow' };
const serve = (settings = {}) => stage.serve([demand], {}, { grpcPort: 0, ...settings });

/** A client of another service that the gateway offers. */
function clientOf(path: readonly string[], proto: string, address: string) {
  let found: unknown = loadPackageDefinition(loadSync(proto, { keepCase: true, enums: String, defaults: true, oneofs: true }));
  for (const part of path) found = (found as GrpcObject)[part];
  const client = new (found as ServiceClientConstructor)(address, credentials.createInsecure());
  afterAll(() => client.close());
  return client;
}

describe('grpc.health.v1.Health', () => {
  type Answer = { status: string };
  const healthOf = (address: string) => clientOf(['grpc', 'health', 'v1', 'Health'], protoPath, address);
  const check = (address: string, service: string) =>
    new Promise<Answer>((resolve, reject) => {
      healthOf(address)['check']!({ service }, (error: Error | null, answer: Answer) => (error === null ? resolve(answer) : reject(error)));
    });

  it('checks the server and the service, and knows no other', async () => {
    const { grpcAddress } = await serve();
    expect(await check(grpcAddress, '')).toEqual({ status: 'SERVING' });
    expect(await check(grpcAddress, 'inference.GRPCInferenceService')).toEqual({ status: 'SERVING' });
    expect((await refusal(check(grpcAddress, 'other'))).status).toBe('NOT_FOUND');
  });

  it('is not serving before the routes are read, serves once they are, and tells those who watch when it stops', async () => {
    await stage.addVersion(demand);
    stage.registry.setRoute({ model: 'demand', variants: [{ version: '1.0.0', weight: 1 }] });
    stage.registry.away = true;
    const gateway = await stage.start({ grpcPort: 0, followEveryMs: 20, folder: join(stage.folder, 'another') });
    expect(await check(gateway.grpcAddress, '')).toEqual({ status: 'NOT_SERVING' });
    expect(await new GrpcClient(gateway.grpcAddress).call('ServerReady', {})).toEqual({ ready: false });
    expect(await refusal(new GrpcClient(gateway.grpcAddress).call('ModelInfer', typedPairs([[1, 1]])))).toMatchObject({
      status: 'UNAVAILABLE',
      pushback: '1000',
    });
    const seen: string[] = [];
    const watch = healthOf(gateway.grpcAddress)['watch']!({ service: '' }) as ClientReadableStream<Answer>;
    watch.on('data', ({ status }: Answer) => seen.push(status));
    const ended = new Promise<{ details: string }>((resolve) => watch.on('error', resolve));
    await until(() => seen.length === 1);
    stage.registry.away = false;
    await until(() => seen.length === 2);
    await gateway.stop();
    expect(await ended).toMatchObject({ code: 14, details: 'the gateway is stopping' });
    expect(seen).toEqual(['NOT_SERVING', 'SERVING', 'NOT_SERVING']);
  });
});

describe('server reflection', () => {
  it.each(['v1', 'v1alpha'])('lists the services and describes them (%s)', async (version) => {
    const { grpcAddress } = await serve();
    const proto = new URL(`../../node_modules/@grpc/reflection/build/proto/grpc/reflection/${version}/reflection.proto`, import.meta.url);
    const client = clientOf(['grpc', 'reflection', version, 'ServerReflection'], proto.pathname, grpcAddress);
    const stream = client['serverReflectionInfo']!() as ClientDuplexStream<object, Record<string, { service: { name: string }[] }>>;
    const answers: Record<string, unknown>[] = [];
    stream.on('data', (answer: Record<string, unknown>) => answers.push(answer));
    const ended = new Promise((resolve) => stream.on('end', resolve));
    stream.write({ list_services: '*' });
    stream.write({ file_containing_symbol: 'inference.ModelInferRequest' });
    stream.end();
    await ended;
    expect(answers[0]!['list_services_response']).toMatchObject({
      service: expect.arrayContaining([{ name: 'inference.GRPCInferenceService' }]),
    });
    const { file_descriptor_proto: files } = answers[1]!['file_descriptor_response'] as { file_descriptor_proto: Buffer[] };
    expect(Buffer.concat(files).includes('raw_input_contents')).toBe(true);
  });
});

describe('who may call', () => {
  it('answers nobody without the token but for its health, as REST does', async () => {
    const { grpcAddress } = await serve({ token: 'a-token-of-the-test' });
    const client = new GrpcClient(grpcAddress);
    const with_ = (authorization: string) => ({ metadata: { authorization } });
    expect(await client.call('ServerLive', {})).toEqual({ live: true });
    for (const [rpc, request] of [
      ['ServerMetadata', {}],
      ['ModelMetadata', { name: 'demand' }],
      ['ModelInfer', typedPairs([[1, 1]])],
    ] as const) {
      expect((await refusal(client.call(rpc, request))).status, rpc).toBe('UNAUTHENTICATED');
      expect((await refusal(client.call(rpc, request, with_('Bearer another')))).status, rpc).toBe('UNAUTHENTICATED');
      await client.call(rpc, request, with_('Bearer a-token-of-the-test'));
      await client.call(rpc, request, { metadata: { 'x-api-key': 'a-token-of-the-test' } });
    }
    const stream = client.stream();
    const answer = new Promise<{ error_message: string }>((resolve) => stream.once('data', resolve));
    stream.write(typedPairs([[1, 1]]));
    expect((await answer).error_message).toMatch(/this gateway wants a key/);
    stream.end();
  });
});

describe('TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'perennial-tls-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  const keyOf = (name: string) => openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', file(`${name}.key`));

  it('takes calls over TLS from those who show a certificate of the authority, where one is named', async () => {
    keyOf('authority');
    openssl('req', '-x509', '-new', '-key', file('authority.key'), '-subj', '/CN=authority', '-days', '2', '-out', file('authority.pem'));
    for (const [name, extra] of [
      ['server', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ['client', 'extendedKeyUsage=clientAuth'],
    ] as const) {
      // prettier-ignore
      keyOf(name);
      openssl('req', '-new', '-key', file(`${name}.key`), '-subj', `/CN=${name}`, '-addext', extra, '-out', file(`${name}.csr`));
      openssl('x509', '-req', '-in', file(`${name}.csr`), '-CA', file('authority.pem'), '-CAkey', file('authority.key'), '-CAcreateserial', '-copy_extensions', 'copy', '-days', '2', '-out', file(`${name}.pem`)); // prettier-ignore
    }
    const env = {
      DATABASE_URL: 'postgres://x',
      PERENNIAL_WORKFLOW_BUNDLE: 'x',
      PERENNIAL_GATEWAY_GRPC_TLS_CERT: file('server.pem'),
      PERENNIAL_GATEWAY_GRPC_TLS_KEY: file('server.key'),
      PERENNIAL_GATEWAY_GRPC_TLS_CLIENT_CA: file('authority.pem'),
    };
    const grpcTls = await readGrpcTlsFiles(readConfig(env).gatewayGrpcTls!);
    const { grpcAddress } = await serve({ grpcTls });
    const ask = (using: ReturnType<typeof credentials.createSsl>) =>
      new GrpcClient(grpcAddress, using).call('ServerLive', {}, { options: { deadline: Date.now() + 5_000 } });
    const root = readFileSync(file('authority.pem'));
    expect(await ask(credentials.createSsl(root, readFileSync(file('client.key')), readFileSync(file('client.pem'))))).toEqual({
      live: true,
    });
    await expect(ask(credentials.createSsl(root))).rejects.toMatchObject({ code: 14 });
    await expect(ask(credentials.createInsecure())).rejects.toMatchObject({ code: 14 });
  });

  it('wants certificate and key together, and names a file that cannot be read', async () => {
    const base = { DATABASE_URL: 'postgres://x', PERENNIAL_WORKFLOW_BUNDLE: 'x' };
    expect(readConfig(base).gatewayGrpcTls).toBeNull();
    expect(() => readConfig({ ...base, PERENNIAL_GATEWAY_GRPC_TLS_CERT: 'a.pem' })).toThrow('PERENNIAL_GATEWAY_GRPC_TLS_KEY');
    await expect(readGrpcTlsFiles({ certificate: '/not/there.pem', key: '/not/there.key', clientAuthority: null })).rejects.toThrow(
      '/not/there.pem for gRPC over TLS cannot be read',
    );
  });
});

describe('the port', () => {
  it('takes no more connections than there may be; their places are free again afterwards', async () => {
    const { grpcAddress, url } = await serve({ maxConnections: 3 });
    const session = () => {
      const opened = connect(`http://${grpcAddress}`);
      opened.on('error', () => undefined);
      return opened;
    };
    const first = [session(), session(), session()];
    await until(() => Promise.resolve(first.every(({ connecting }) => !connecting)));
    const more = session();
    await once(more, 'close');
    expect(first.every(({ closed, destroyed }) => !closed && !destroyed)).toBe(true);
    for (const one of first) one.close();
    const client = new GrpcClient(grpcAddress);
    await until(() =>
      client.call<{ live: boolean }>('ServerLive', {}).then(
        ({ live }) => live,
        () => false,
      ),
    );
    // The connections of HTTP are counted by themselves.
    expect((await get(`${url}/v2/health/live`)).status).toBe(200);
  });

  it('is an error when it is taken, and moves on where it may', async () => {
    const { grpcAddress } = await serve();
    const taken = Number(grpcAddress.split(':')[1]);
    await expect(serve({ grpcPort: taken })).rejects.toThrow(`cannot listen for gRPC on 127.0.0.1:${taken}: the port is taken`);
    const moved = await serve({ grpcPort: taken, grpcPortMayMove: true });
    expect(moved.grpcAddress).not.toBe(grpcAddress);
    expect(await new GrpcClient(moved.grpcAddress).call('ServerLive', {})).toEqual({ live: true });
  });
});

describe('a call', () => {
  /** A model that runs one row at a time, and how many it has run. */
  const oneByOne = async (model: string) => {
    const gateway = await stage.serve([{ ...slow, model }], {}, { grpcPort: 0, inPlaceMaxMs: 0, maxBatchRows: 1, maxThreads: 1 });
    const client = new GrpcClient(gateway.grpcAddress);
    const request = typedPairs([[1, 1]], { model_name: model });
    const predicted = async () => {
      const { body } = await get<string>(`${gateway.url}/metrics`);
      return Number(new RegExp(`model_predictions_total\\{model_name="${model}",version="1.0.0"\\} (\\d+)`).exec(body)?.[1] ?? 0);
    };
    return { client, request, predicted };
  };

  it('is given up at its deadline, and its request is not run after it', async () => {
    const { client, request, predicted } = await oneByOne('slow-one');
    const patient = Array.from({ length: 15 }, () => client.call('ModelInfer', request));
    const hasty = Array.from({ length: 10 }, () => refusal(client.call('ModelInfer', request, { options: { deadline: Date.now() + 40 } })));
    await Promise.all(patient);
    for (const { status } of await Promise.all(hasty)) expect(status).toBe('DEADLINE_EXCEEDED');
    await client.call('ModelInfer', request);
    expect(await predicted()).toBe(16);
  });

  it('is given up when its caller cancels it, and its request is not run', async () => {
    const { client, request, predicted } = await oneByOne('slow-two');
    const patient = Array.from({ length: 15 }, () => client.call('ModelInfer', request));
    const regretted = Array.from({ length: 10 }, () => client.cancellable('ModelInfer', request));
    const refusals = regretted.map(({ answer }) => refusal(answer));
    await patient[0];
    for (const { cancel } of regretted) cancel();
    for (const { status } of await Promise.all(refusals)) expect(status).toBe('CANCELLED');
    await Promise.all(patient);
    await client.call('ModelInfer', request);
    expect(await predicted()).toBe(16);
  });

  it('may bring its own limit and its place in the queue', async () => {
    const { client, request, predicted } = await oneByOne('slow-three');
    const order: string[] = [];
    const ask = (name: string, parameters: object) =>
      client.call('ModelInfer', { ...request, parameters }).then(
        () => order.push(name),
        (error: { code: number }) => order.push(`${name} ${error.code}`),
      );
    const calls = Array.from({ length: 8 }, (_, i) => ask(`patient ${i}`, { priority: { uint64_param: 2 } }));
    calls.push(ask('hasty', { timeout: { uint64_param: 10_000 } }), ask('first', { priority: { uint64_param: 1 } }));
    await Promise.all(calls);
    expect(order).toContain('hasty 4');
    expect(order.indexOf('first')).toBeLessThan(order.indexOf('patient 7'));
    expect(await predicted()).toBe(9);
  });

  it('is ended when its request does not arrive, and the others go on', async () => {
    const { grpcAddress } = await serve({ requestTimeoutMs: 200, headersTimeoutMs: 200 });
    const session = connect(`http://${grpcAddress}`);
    const begin = () =>
      session.request({ ':method': 'POST', ':path': '/inference.GRPCInferenceService/ModelInfer', 'content-type': 'application/grpc', te: 'trailers' }); // prettier-ignore
    const slow = [begin(), begin()];
    // One sends half a length, the other a length and half a message.
    slow[0]!.write(Buffer.from([0, 0, 0]));
    slow[1]!.write(Buffer.from([0, 0, 0, 0, 100, 10, 6]));
    const ended = slow.map((call) => new Promise<Record<string, unknown>>((resolve) => call.on('response', resolve)));
    expect(await new GrpcClient(grpcAddress).call('ModelInfer', typedPairs([[1, 1]]))).toMatchObject({ model_name: 'demand' });
    for (const headers of await Promise.all(ended))
      expect(headers).toMatchObject({ 'grpc-status': '4', 'grpc-message': 'the%20request%20did%20not%20arrive%20within%20200%20ms' });
    session.destroy();
  });

  it('takes messages of 64 MiB and no larger ones', async () => {
    const { grpcAddress } = await serve({ maxBodyBytes: 4_096 });
    const client = new GrpcClient(grpcAddress);
    const rows = (n: number) => rawPairs(Array.from({ length: n }, (): [number, number] => [1, 1]));
    expect(await client.call<InferMessage>('ModelInfer', rows(100))).toMatchObject({ outputs: [{ shape: ['100'] }] });
    expect((await refusal(client.call('ModelInfer', rows(1_000)))).status).toBe('RESOURCE_EXHAUSTED');
    expect(await client.call<InferMessage>('ModelInfer', rows(1))).toMatchObject({ outputs: [{ shape: ['1'] }] });
  });

  it('is compressed as the client likes', async () => {
    const { grpcAddress } = await serve({ maxBodyBytes: 100_000 });
    for (const algorithm of [1, 2]) {
      const client = new GrpcClient(grpcAddress, credentials.createInsecure(), { 'grpc.default_compression_algorithm': algorithm });
      expect(await client.call<InferMessage>('ModelInfer', rawPairs([[3, 4]]))).toMatchObject({ outputs: [{ shape: ['1'] }] });
      // Small on the wire, larger than allowed when inflated.
      const bomb = { ...rawPairs([[3, 4]]), raw_input_contents: [Buffer.alloc(1_000_000), Buffer.alloc(8), Buffer.alloc(8)] };
      expect((await refusal(client.call('ModelInfer', bomb))).status).toBe('RESOURCE_EXHAUSTED');
    }
  });
});

describe('a stop', () => {
  it('answers what was asked before it, and takes nothing new', async () => {
    const gateway = await stage.serve([slow], {}, { grpcPort: 0, inPlaceMaxMs: 0 });
    const client = new GrpcClient(gateway.grpcAddress);
    await client.call('ServerLive', {});
    const calls = Array.from({ length: 20 }, (_, i) =>
      client.call<InferMessage>('ModelInfer', typedPairs([[i, 1]], { model_name: 'slow' })),
    );
    let answered = 0;
    for (const call of calls)
      call.then(
        () => answered++,
        () => undefined,
      );
    const atWork = async () =>
      Number(/^gateway_in_flight\{[^}]*\} (\d+)$/m.exec((await get<string>(`${gateway.url}/metrics`)).body)?.[1] ?? 0);
    // All of them have come.
    await until(async () => (await atWork()) + answered === calls.length);
    const stopping = gateway.stop();
    const answers = await Promise.all(calls);
    expect(answers.map(({ outputs }) => outputs[0]!.contents!['fp32_contents'])).toEqual(calls.map((_, i) => [i + 10 + 3000]));
    await stopping;
    expect((await refusal(client.call('ServerLive', {}))).status).toBe('UNAVAILABLE');
  });

  it('answers whatever it has predicted, while callers never cease to ask', async () => {
    const gateway = await stage.serve([{ ...demand, model: 'draining' }], {}, { grpcPort: 0, folder: join(stage.folder, 'draining') });
    const client = new GrpcClient(gateway.grpcAddress);
    const outcomes = { answered: 0, codes: new Set<number>() };
    let stopped = false;
    const callers = Array.from({ length: 8 }, async () => {
      while (!stopped)
        await client.call('ModelInfer', typedPairs([[1, 1]], { model_name: 'draining' })).then(
          () => outcomes.answered++,
          ({ code }: { code: number }) => outcomes.codes.add(code),
        );
    });
    await until(() => outcomes.answered > 200);
    await gateway.stop();
    stopped = true;
    await Promise.all(callers);
    // A call that came too late was refused before it was begun: the captures, stored at the stop, are as many as the answers.
    expect([...outcomes.codes].filter((code) => code !== 14)).toEqual([]);
    expect(stage.registry.stored.filter(({ model }) => model === 'draining')).toHaveLength(outcomes.answered);
  });
});
