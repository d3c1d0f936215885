import { connect as connectHttp2, constants } from 'node:http2';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { afterAll, expect, test } from 'vitest';
import { GrpcClient } from '../support/grpc-client.js';
import { ask } from '../support/requests.js';
import { mutate } from './mutate.js';
import { Random } from './random.js';
import { boundsOf, fuzzedGateway } from './stage.js';

const { stage, gateway } = await fuzzedGateway();
const bounds = boundsOf(600);
const client = new GrpcClient(gateway.grpcAddress);
const types = new protobuf.Root().loadSync(fileURLToPath(new URL('../../../gateway/grpc/inference.proto', import.meta.url)), {
  keepCase: true,
});

const float = (values: number[]) => Buffer.from(new Float32Array(values).buffer);
const bigint = (values: bigint[]) => Buffer.from(new BigInt64Array(values).buffer);
const typed = {
  model_name: 'demand',
  id: '7',
  parameters: { key: { string_param: 'k' } },
  inputs: [
    { name: 'hour', datatype: 'INT64', shape: [1], contents: { int64_contents: [1_317_427_200_000] } },
    { name: 'a', datatype: 'FP64', shape: [1], contents: { fp64_contents: [1] } },
    { name: 'b', datatype: 'FP64', shape: [1], contents: { fp64_contents: [2] } },
  ],
  outputs: [{ name: 'value', parameters: { classification: { int64_param: 1 } } }],
};
const raw = {
  model_name: 'mixed',
  inputs: [
    { name: 'a', datatype: 'FP32', shape: [1, 2] },
    { name: 'b', datatype: 'INT64', shape: [1] },
    { name: 'flag', datatype: 'BOOL', shape: [1] },
    { name: 'word', datatype: 'BYTES', shape: [1] },
  ],
  raw_input_contents: [float([1, 2]), bigint([5n]), Buffer.from([1]), Buffer.from([1, 0, 0, 0, 0x78])],
};

const encode = (type: string, value: object): Buffer => {
  const message = types.lookupType(`inference.${type}`);
  return Buffer.from(message.encode(message.fromObject(value)).finish());
};
/** Calls that are answered OK as they are: the rpc, and its message. */
const seeds: readonly (readonly [string, Buffer])[] = [
  ['ModelInfer', encode('ModelInferRequest', typed)],
  ['ModelInfer', encode('ModelInferRequest', raw)],
  ['ModelStreamInfer', encode('ModelInferRequest', typed)],
  ['ModelMetadata', encode('ModelMetadataRequest', { name: 'demand', version: '1.0.0' })],
  ['ModelReady', encode('ModelReadyRequest', { name: 'demand' })],
  ['ModelConfig', encode('ModelConfigRequest', { name: 'demand' })],
  ['ModelStatistics', encode('ModelStatisticsRequest', { name: 'demand' })],
  ['RepositoryIndex', encode('RepositoryIndexRequest', { ready: true })],
  ['ServerMetadata', Buffer.alloc(0)],
];

const session = connectHttp2(`http://${gateway.grpcAddress}`);
afterAll(() => session.destroy());

/** One call over HTTP/2 with these bytes as its body; answers the status and its words. */
function call(rpc: string, body: Buffer): Promise<{ code: number; message: string }> {
  return new Promise((resolve) => {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: `/inference.GRPCInferenceService/${rpc}`,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
      'grpc-timeout': '5S',
    });
    let code = -1;
    let message = '';
    const read = (headers: { 'grpc-status'?: string; 'grpc-message'?: string }) => {
      if (headers['grpc-status'] === undefined) return;
      code = Number(headers['grpc-status']);
      message = decodeURIComponent(headers['grpc-message'] ?? '');
    };
    stream.on('response', read);
    stream.on('trailers', read);
    stream.on('error', () => undefined);
    stream.on('close', () => resolve({ code, message }));
    stream.resume();
    stream.end(body);
  });
}

/** The message behind its five bytes: a flag and the length. */
function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

async function nextGoodCallIsAnswered(): Promise<void> {
  expect(await client.call('ModelInfer', raw)).toMatchObject({ model_name: 'mixed' });
  expect((await ask(gateway, 'demand', [3, 4])).status).toBe(200);
}

test('every seed is answered as it is', async () => {
  for (const [rpc, message] of seeds) expect([rpc, await call(rpc, framed(message))]).toEqual([rpc, { code: 0, message: 'OK' }]);
});

test(`changed messages are answered without a fault (seed ${bounds.seed})`, { timeout: 3_600_000 }, async () => {
  let next = 0;
  const endMs = Date.now() + bounds.durationMs;
  const lane = async () => {
    while (next < bounds.cases && Date.now() < endMs) {
      const number = next++;
      const random = new Random(bounds.seed * 2_000_003 + number);
      const [rpc, message] = random.of(seeds);
      // The frame of a message is the library's to check; most changes are to what is ours to read.
      const isFrame = random.below(5) === 0;
      const body = isFrame ? mutate(framed(message), random) : framed(mutate(message, random));
      const { code, message: words } = await call(rpc, body);
      const fault = stage.log.find(({ event }) => event === 'requestFailed');
      // 2 is UNKNOWN, 13 INTERNAL: faults of ours, but where the library names a broken frame so.
      if ((!isFrame && (code === 2 || code === 13 || code === -1)) || fault !== undefined)
        throw new Error(
          `case ${number} of seed ${bounds.seed}: ${rpc} ${code} ${words} ${JSON.stringify(fault ?? null)}\n${body.toString('base64').slice(0, 3_000)}`,
        );
      if (number % 50 === 0) await nextGoodCallIsAnswered();
    }
  };
  await Promise.all(Array.from({ length: 4 }, lane));
  expect(next).toBeGreaterThan(0);
  await nextGoodCallIsAnswered();
});

/** A whole HTTP/2 connection with one call in it, as bytes: preface, settings, headers without compression, data. */
function connection(rpc: string, message: Buffer): Buffer {
  const frame = (type: number, flags: number, of: { stream: number; payload: Buffer }) => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(of.payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(of.stream, 5);
    return Buffer.concat([head, of.payload]);
  };
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  const header = (name: string, value: string) => Buffer.concat([Buffer.from([0]), text(name), text(value)]);
  const headers = Object.entries({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': `/inference.GRPCInferenceService/${rpc}`,
    ':authority': 'localhost',
    'content-type': 'application/grpc',
    te: 'trailers',
  }).map(([name, value]) => header(name, value));
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(4, 0, { stream: 0, payload: Buffer.alloc(0) }),
    frame(1, 4, { stream: 1, payload: Buffer.concat(headers) }),
    frame(0, 1, { stream: 1, payload: framed(message) }),
  ]);
}

test(`changed connections leave the server as it was (seed ${bounds.seed})`, { timeout: 3_600_000 }, async () => {
  const [host = '', port = ''] = gateway.grpcAddress.split(':');
  const send = (bytes: Buffer): Promise<number> =>
    new Promise((resolve) => {
      let received = 0;
      const socket = connect(Number(port), host, () => socket.write(bytes));
      socket.on('data', (chunk) => (received += chunk.length));
      socket.setTimeout(50, () => socket.destroy());
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(received));
    });
  // The bytes are right as they are: the answer is longer than the server's own settings.
  expect(await send(connection('ServerMetadata', Buffer.alloc(0)))).toBeGreaterThan(80);
  const endMs = Date.now() + bounds.durationMs;
  let next = 0;
  const lane = async () => {
    while (next < bounds.cases && Date.now() < endMs) {
      const random = new Random(bounds.seed * 3_000_003 + next++);
      const [rpc, message] = random.of(seeds);
      await send(mutate(connection(rpc, message), random));
      if (next % 50 === 0) await nextGoodCallIsAnswered();
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  await nextGoodCallIsAnswered();
});
