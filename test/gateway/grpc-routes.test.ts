import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { changeGatewayKeys, gatewayKeySource } from '../../adapters/keys/gateway-key-file.js';
import { makeGatewayKey } from '../../adapters/keys/gateway-key.js';
import type { Gateway } from '../../gateway/gateway.js';
import { routedRpcs } from '../../gateway/grpc/route-calls.js';
import { serveDemand } from './support/demand.js';
import type { Message } from './support/grpc-client.js';
import { GrpcClient, refusal, typedPairs } from './support/grpc-client.js';
import { get } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;
let client: GrpcClient;

beforeAll(async () => {
  await stage.addFixture('mixed');
  gateway = await serveDemand(stage, { grpcPort: 0 });
  client = new GrpcClient(gateway.grpcAddress);
});

describe('the configuration of a model', () => {
  it('is what REST tells, with tensors, batching and queue', async () => {
    const { config } = await client.call<{ config: Message }>('ModelConfig', { name: 'mixed' });
    expect(config).toMatchObject({
      name: 'mixed',
      platform: 'onnxruntime_onnx',
      backend: 'onnxruntime',
      max_batch_size: 256,
      input: [
        { name: 'a', data_type: 'TYPE_FP32', dims: ['2'], reshape: null },
        { name: 'b', data_type: 'TYPE_INT64', dims: ['1'], reshape: { shape: [] } },
        { name: 'flag', data_type: 'TYPE_BOOL' },
        { name: 'word', data_type: 'TYPE_STRING' },
      ],
      output: [{ name: 'total', data_type: 'TYPE_FP32' }, { name: 'count' }, { name: 'opposite' }, { name: 'echo' }],
      dynamic_batching: { max_queue_delay_microseconds: '0', default_queue_policy: { timeout_action: 'REJECT', max_queue_size: 1_000 } },
      instance_group: [{ name: 'mixed', kind: 'KIND_CPU', count: 1 }],
    });
    expect((await refusal(client.call('ModelConfig', { name: 'nothing' }))).status).toBe('NOT_FOUND');
  });
});

describe('the statistics', () => {
  type Figures = {
    model_stats: {
      name: string;
      version: string;
      inference_count: string;
      inference_stats: Record<string, { count: string; ns: string }>;
    }[];
  };

  it('count what was answered, over gRPC too', async () => {
    const ask = async () => (await client.call<Figures>('ModelStatistics', { name: 'demand', version: '1.0.0' })).model_stats[0]!;
    const before = await ask();
    for (let i = 0; i < 3; i++) await client.call('ModelInfer', typedPairs([[1, 1], [2, 2]])); // prettier-ignore
    const after = await ask();
    expect(after).toMatchObject({ name: 'demand', version: '1.0.0' });
    expect(Number(after.inference_count) - Number(before.inference_count)).toBe(6);
    const success = after.inference_stats['success']!;
    expect(Number(success.count) - Number(before.inference_stats['success']?.count ?? 0)).toBe(3);
    expect(Number(success.ns)).toBeGreaterThan(0);
  });

  it('are of one version, of a model, or of all', async () => {
    const versions = async (request: object) =>
      (await client.call<Figures>('ModelStatistics', request)).model_stats.map(({ name, version }) => `${name} ${version}`).sort();
    expect(await versions({ name: 'demand', version: '1.0.1' })).toEqual(['demand 1.0.1']);
    expect(await versions({ name: 'demand' })).toEqual(['demand 1']);
    expect(await versions({})).toEqual(['demand 1.0.0', 'demand 1.0.1', 'mixed 1.0.0']);
    expect((await refusal(client.call('ModelStatistics', { name: 'nothing' }))).status).toBe('NOT_FOUND');
  });
});

// MLServer's test_model_repository_*, with what differs here: a live version stays, and a version can be named.
describe('the model repository', () => {
  const index = async (request: object = {}) => {
    const { models } = await client.call<{ models: { name: string; version: string; state: string }[] }>('RepositoryIndex', request);
    return models.map(({ name, version, state }) => `${name} ${version} ${state}`).sort();
  };
  const named = { model_name: 'demand', parameters: { version: { string_param: '1.0.1' } } };

  it('lists what there is', async () => {
    const all = ['demand 1.0.0 READY', 'demand 1.0.1 READY', 'mixed 1.0.0 READY'];
    expect(await index()).toEqual(all);
    expect(await index({ repository_name: 'perennial', ready: true })).toEqual(all);
    expect((await refusal(index({ repository_name: 'other' }))).status).toBe('NOT_FOUND');
  });

  it('unloads a version and loads it again', async () => {
    await client.call('RepositoryModelUnload', named);
    expect(await index({ ready: true })).toEqual(['demand 1.0.0 READY', 'mixed 1.0.0 READY']);
    const asked = typedPairs([[1, 1]], { model_version: '1.0.1' });
    expect((await refusal(client.call('ModelInfer', asked))).status).toBe('UNAVAILABLE');
    await client.call('RepositoryModelLoad', named);
    expect(await client.call('ModelInfer', asked)).toMatchObject({ outputs: [{ contents: { fp32_contents: [1011] } }] });
  });

  it('keeps a live version unless it is forced, and says what cannot be loaded', async () => {
    const live = await refusal(client.call('RepositoryModelUnload', { model_name: 'demand' }));
    expect(live).toMatchObject({ status: 'INVALID_ARGUMENT', details: expect.stringContaining('is live (champion)') });
    const unknown = await refusal(client.call('RepositoryModelLoad', { model_name: 'my-model' }));
    expect(unknown).toMatchObject({ status: 'NOT_FOUND', details: expect.stringMatching(/^Request for unknown model.*failed to load/) });
    expect((await refusal(client.call('RepositoryModelLoad', { model_name: '' }))).status).toBe('INVALID_ARGUMENT');
    const file = { 'file:1/model.onnx': { bytes_param: Buffer.from('onnx') } };
    const unsigned = await refusal(client.call('RepositoryModelLoad', { model_name: 'demand', parameters: file }));
    expect(unsigned).toMatchObject({ status: 'INVALID_ARGUMENT', details: expect.stringContaining('failed to load') });
    const forced = { model_name: 'mixed', parameters: { force: { bool_param: true } } };
    await client.call('RepositoryModelUnload', forced);
    expect(await client.call('ModelReady', { name: 'mixed' })).toEqual({ ready: false });
    await client.call('RepositoryModelLoad', { model_name: 'mixed' });
    expect(await client.call('ModelReady', { name: 'mixed' })).toEqual({ ready: true });
  });

  it("is an administrator's alone", async () => {
    const file = join(stage.folder, 'keys.json');
    const usual = { models: null, requestsPerSecond: null, expiresAtMs: null };
    const { key, secret } = makeGatewayKey({ ...usual, name: 'caller', role: 'predict' }, Date.now());
    await changeGatewayKeys(file, () => [key]);
    const closed = await stage.start({ grpcPort: 0, folder: join(stage.folder, 'closed') }, { keys: gatewayKeySource(file, 10) });
    const caller = new GrpcClient(closed.grpcAddress);
    const metadata = { authorization: `Bearer ${secret}` };
    await caller.call('ModelInfer', typedPairs([[1, 1]]), { metadata });
    await caller.call('RepositoryIndex', {}, { metadata });
    for (const [rpc, request] of [
      ['RepositoryModelLoad', named],
      ['RepositoryModelUnload', named],
      ['LogSettings', { settings: { log_info: { bool_param: false } } }],
    ] as const)
      expect((await refusal(caller.call(rpc, request, { metadata }))).status, rpc).toBe('PERMISSION_DENIED');
  });
});

describe('settings', () => {
  it('of the log are told, changed, and refused when they are none', async () => {
    const settings = async (given: object = {}) =>
      (await client.call<{ settings: Record<string, Message> }>('LogSettings', { settings: given })).settings;
    expect(await settings()).toMatchObject({
      log_info: { bool_param: true },
      log_verbose_level: { uint32_param: 0 },
      log_format: { string_param: 'default' },
    });
    expect(await settings({ log_info: { bool_param: false } })).toMatchObject({ log_info: { bool_param: false } });
    expect((await get(`${gateway.url}/v2/logging`)).body).toMatchObject({ log_info: false });
    await settings({ log_info: { bool_param: true } });
    expect((await refusal(settings({ log_color: { string_param: 'red' } }))).status).toBe('INVALID_ARGUMENT');
  });

  it.each([
    ['SystemSharedMemoryStatus', {}],
    ['SystemSharedMemoryStatus', { name: 'region' }],
    ['SystemSharedMemoryRegister', { name: 'region', key: '/shm', byte_size: 8 }],
    ['SystemSharedMemoryUnregister', {}],
    ['CudaSharedMemoryStatus', {}],
    ['CudaSharedMemoryRegister', { name: 'region', raw_handle: Buffer.alloc(8), byte_size: 8 }],
    ['CudaSharedMemoryUnregister', { name: 'region' }],
  ])('of shared memory there are none: %s %j', async (rpc, request) => {
    expect((await refusal(client.call(rpc, request))).status).toBe('UNIMPLEMENTED');
  });

  it('of traces are answered as REST answers them', async () => {
    const { status } = await fetch(`${gateway.url}/v2/trace/setting`);
    const told = client.call('TraceSetting', {});
    if (status === 200) expect(await told).toHaveProperty('settings');
    else expect((await refusal(told)).status).toBe('UNIMPLEMENTED');
  });

  it('that cannot be read are refused, not called an error of the server', async () => {
    const wrong = Buffer.from([0x0a, 0xff]);
    expect(await refusal(client.bytes('ModelMetadata', wrong))).toMatchObject({
      status: 'INVALID_ARGUMENT',
      details: expect.stringMatching(/^the message is no ModelMetadataRequest/),
    });
    expect(await refusal(client.bytes('ModelInfer', wrong))).toMatchObject({ status: 'INVALID_ARGUMENT' });
    expect((await refusal(client.bytes('NoSuchCall', wrong))).status).toBe('UNIMPLEMENTED');
  });

  it('have a route behind each call', () => {
    expect(Object.keys(routedRpcs)).toHaveLength(18);
  });
});
