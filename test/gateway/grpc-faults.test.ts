import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatewayConfig } from '../../gateway/gateway-config.js';
import type { GrpcDeps } from '../../gateway/grpc/grpc-server.js';
import { grpcServer } from '../../gateway/grpc/grpc-server.js';
import { requestErrorOf } from '../../gateway/http/reply.js';
import type { InferMessage } from './support/grpc-client.js';
import { GrpcClient, typedPairs } from './support/grpc-client.js';

const told: string[] = [];
const counted: string[] = [];
/** Answers, and fails when it is told that the answer was sent. */
const predictor = {
  predict: () => ({
    request: { id: 'mine', parameters: {}, inputs: [], outputs: null },
    version: { model: 'demand', version: '1.0.0', plan: { batchable: true } },
    variant: 'champion',
    ids: ['one'],
    predicted: { outputs: [{ name: 'value', datatype: 'FP32', shape: [1], data: [21] }], values: [21] },
    cached: false,
    sent: () => {
      throw new Error('the captures are broken');
    },
  }),
} as unknown as GrpcDeps['predictor'];

const server = grpcServer({
  config: gatewayConfig({ id: 'faults', host: '127.0.0.1', port: 0, folder: '', grpcPort: 0 }),
  predictor,
  watch: { begin: () => null, called: () => undefined },
  admit: () => null,
  ask: () => Promise.resolve(null),
  tell: (error, where) => {
    told.push(`${where}: ${String(error)}`);
    return requestErrorOf(error);
  },
  count: (rpc, status) => void counted.push(`${rpc} ${status}`),
  ready: () => true,
});
let client: GrpcClient;
beforeAll(async () => {
  client = new GrpcClient(await server.listen());
});
afterAll(() => server.close(0));

describe('a fault behind an answer', () => {
  it('of a call is told in the log alone', async () => {
    for (let i = 0; i < 2; i++)
      expect(await client.call<InferMessage>('ModelInfer', typedPairs([[1, 2]]))).toMatchObject({ id: 'mine', model_name: 'demand' });
    expect(told).toEqual(Array(2).fill('ModelInfer: Error: the captures are broken'));
    expect(counted).toEqual(Array(2).fill('ModelInfer OK'));
  });

  it('on a stream ends neither the stream nor the process', async () => {
    told.length = 0;
    const stream = client.stream();
    const got: unknown[] = [];
    stream.on('data', (message: unknown) => got.push(message));
    for (let i = 0; i < 3; i++) stream.write(typedPairs([[1, 2]]));
    stream.end();
    await new Promise((resolve) => stream.on('end', resolve));
    expect(got).toHaveLength(3);
    expect(told).toEqual(Array(3).fill('ModelStreamInfer: Error: the captures are broken'));
  });
});
