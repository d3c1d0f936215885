import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { bounded, serveDemand } from './support/demand.js';
import type { InferMessage, Message } from './support/grpc-client.js';
import { GrpcClient, rawPairs, refusal, typedPairs } from './support/grpc-client.js';
import { get, pairs, post } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;
let client: GrpcClient;

beforeAll(async () => {
  await stage.addFixture('mixed');
  gateway = await serveDemand(stage, { grpcPort: 0 }, bounded);
  client = new GrpcClient(gateway.grpcAddress);
});

// The cases of Triton's L0_grpc/python_grpc_aio_test.py and MLServer's tests/grpc/test_servicers.py, against this gateway.
describe('what a client asks before it infers', () => {
  it('says that the server is live and ready', async () => {
    expect(await client.call('ServerLive', {})).toEqual({ live: true });
    expect(await client.call('ServerReady', {})).toEqual({ ready: true });
  });

  it.each([
    [{ name: 'demand' }, true],
    [{ name: 'demand', version: '1.0.1' }, true],
    [{ name: 'demand', version: '9.9.9' }, false],
    [{ name: 'nothing' }, false],
  ])('says whether %j is ready', async (request, ready) => {
    expect(await client.call('ModelReady', request)).toEqual({ ready });
  });

  it('tells the server as REST does', async () => {
    const told = await client.call('ServerMetadata', {});
    expect(told).toMatchObject({ name: 'perennial' });
    expect(told).toEqual((await get(`${gateway.url}/v2`)).body);
  });

  it('tells a model with its versions, platform and tensors', async () => {
    const told = await client.call('ModelMetadata', { name: 'demand' });
    expect(told).toMatchObject({
      name: 'demand',
      versions: ['1.0.0', '1.0.1'],
      platform: 'onnx_onnxv1',
      inputs: [
        { name: 'hour', datatype: 'INT64', shape: ['-1'] },
        { name: 'a', datatype: 'FP64', shape: ['-1'] },
        { name: 'b', datatype: 'FP64', shape: ['-1'] },
      ],
      outputs: [{ name: 'value', datatype: 'FP32', shape: ['-1'] }],
    });
    expect(await client.call('ModelMetadata', { name: 'demand', version: '1.0.1' })).toMatchObject({ versions: ['1.0.1'] });
  });

  it('knows no model that is not there, and no name that none can have', async () => {
    const unknown = await refusal(client.call('ModelMetadata', { name: 'nothing' }));
    expect(unknown.status).toBe('NOT_FOUND');
    expect(unknown.details).toMatch(/^Request for unknown model: 'nothing'/);
    for (const name of ['', '../etc/passwd', 'a/b', '\ud800', 'x'.repeat(5_000)])
      expect((await refusal(client.call('ModelMetadata', { name }))).status, name.slice(0, 20)).toBe('INVALID_ARGUMENT');
  });
});

describe('inference', () => {
  it.each([undefined, '1.0.0'])('answers typed contents in typed contents (version %s)', async (version) => {
    const answer = await client.call<InferMessage>(
      'ModelInfer',
      typedPairs([[3, 4]], version === undefined ? {} : { model_version: version }),
    );
    expect(answer.model_name).toBe('demand');
    expect(answer.model_version).toBe('1.0.0');
    expect(answer.outputs).toHaveLength(1);
    expect(answer.outputs[0]).toMatchObject({ name: 'value', datatype: 'FP32', shape: ['1'], contents: { fp32_contents: [43] } });
    expect(answer.raw_output_contents).toEqual([]);
  });

  it('answers raw contents in raw contents', async () => {
    const answer = await client.call<InferMessage>('ModelInfer', rawPairs([[3, 4], [5, 6]])); // prettier-ignore
    expect(answer.outputs).toEqual([{ name: 'value', datatype: 'FP32', shape: ['2'], parameters: {}, contents: null }]);
    expect(answer.raw_output_contents).toEqual([Buffer.from(Float32Array.of(43, 65).buffer)]);
  });

  it('says who answered, gives each row an id, and the request its own back', async () => {
    const answer = await client.call<InferMessage>(
      'ModelInfer',
      typedPairs([[1, 1], [2, 2]], { id: 'call 7', parameters: { prediction_id: { string_param: 'order-18' } } }), // prettier-ignore
    );
    expect(answer.id).toBe('call 7');
    expect(answer.parameters['variant']).toMatchObject({ string_param: 'champion' });
    expect(answer.parameters['model_version']).toMatchObject({ string_param: '1.0.0' });
    expect(answer.parameters['prediction_ids']).toMatchObject({ string_param: 'order-18-0,order-18-1' });
    const other = await client.call<InferMessage>('ModelInfer', typedPairs([[1, 1]]));
    expect(other.id).toBe(other.parameters['prediction_ids']!['string_param']);
  });

  it('serves no sequences: what belongs together would be answered as if it did not', async () => {
    const asked = (sequence_id: Message) => client.call('ModelInfer', typedPairs([[3, 4]], { parameters: { sequence_id } }));
    for (const id of [{ int64_param: 4 }, { string_param: 'a' }])
      expect(await refusal(asked(id))).toMatchObject({ status: 'UNIMPLEMENTED', details: expect.stringContaining('sequences') as string });
    expect(await asked({ int64_param: 0 })).toMatchObject({ model_name: 'demand' });
  });

  it('answers from the version that the request names, and knows no other', async () => {
    const answer = await client.call<InferMessage>('ModelInfer', typedPairs([[3, 4]], { model_version: '1.0.1' }));
    expect(answer).toMatchObject({ model_version: '1.0.1', outputs: [{ contents: { fp32_contents: [1043] } }] });
    const refused = await refusal(client.call('ModelInfer', typedPairs([[3, 4]], { model_version: 'v1.2.3' })));
    expect(refused).toMatchObject({
      status: 'NOT_FOUND',
      details: expect.stringMatching(/^Request for unknown model: 'demand' version 'v1.2.3'/),
    });
    expect(await refusal(client.call('ModelInfer', typedPairs([[3, 4]], { model_name: 'my-model' })))).toMatchObject({
      status: 'NOT_FOUND',
    });
  });

  it('gives the outputs that were asked for, alone, once, or as classes', async () => {
    const request = (outputs: Message[]): Message => ({
      model_name: 'mixed',
      inputs: [
        { name: 'a', datatype: 'FP32', shape: [2, 2], contents: { fp32_contents: [1, 2, 3, 4] } },
        { name: 'b', datatype: 'INT64', shape: [2], contents: { int64_contents: ['9007199254740993', -1] } },
        { name: 'flag', datatype: 'BOOL', shape: [2], contents: { bool_contents: [true, false] } },
        { name: 'word', datatype: 'BYTES', shape: [2], contents: { bytes_contents: [Buffer.from('drei'), Buffer.from('')] } },
      ],
      outputs,
    });
    const all = await client.call<InferMessage>('ModelInfer', request([]));
    expect(all.outputs.map(({ name, contents }) => [name, Object.values(contents!).find((values) => values.length > 0)])).toEqual([
      ['total', [9007199254740992, 6]],
      ['count', ['9007199254740993', '-1']],
      ['opposite', [false, true]],
      ['echo', [Buffer.from('drei'), Buffer.from('')]],
    ]);
    const some = await client.call<InferMessage>('ModelInfer', request([{ name: 'echo' }, { name: 'count' }]));
    expect(some.outputs.map(({ name }) => name)).toEqual(['count', 'echo']);
    const classes = await client.call<InferMessage>(
      'ModelInfer',
      request([{ name: 'count', parameters: { classification: { int64_param: 1 } } }]),
    );
    expect(classes.outputs).toMatchObject([
      {
        name: 'count',
        datatype: 'BYTES',
        shape: ['2', '1'],
        contents: { bytes_contents: [Buffer.from('9007199254740993:0'), Buffer.from('-1:0')] },
      },
    ]);
    for (const wrong of [[{ name: 'echo' }, { name: 'echo' }], [{ name: 'other' }], [{ name: '' }]])
      expect((await refusal(client.call('ModelInfer', request(wrong)))).status).toBe('INVALID_ARGUMENT');
  });

  it('keeps a caller with its variant by the parameter key or the metadata', async () => {
    await stage.addVersion({ model: 'split', version: '1.0.0', onnx: 'linear' });
    await stage.addVersion({ model: 'split', version: '2.0.0', onnx: 'linear-plus-1000' });
    const route = stage.registry.setRoute({ model: 'split', variants: [{ version: '1.0.0', weight: 0.5 }, { version: '2.0.0', weight: 0.5 }] }); // prettier-ignore
    await stage.registry.acknowledged(route);
    const versionOf = async (more: Message, metadata: Record<string, string> = {}) =>
      (await client.call<InferMessage>('ModelInfer', typedPairs([[1, 1]], { model_name: 'split', ...more }), { metadata })).model_version;
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const key = `person-${i}`;
      const version = await versionOf({ parameters: { key: { string_param: key } } });
      expect(await versionOf({}, { 'x-perennial-key': key })).toBe(version);
      const rest = await post(`${gateway.url}/v2/models/split/infer`, pairs([[1, 1]], { parameters: { key } }));
      expect(rest.body.model_version).toBe(version);
      seen.add(version);
    }
    expect([...seen].sort()).toEqual(['1.0.0', '2.0.0']);
  });

  it('captures what it answers as REST does', async () => {
    const answer = await client.call<InferMessage>('ModelInfer', rawPairs([[7, 8]], { parameters: { key: { string_param: 'me' } } }));
    await post(`${gateway.url}/v2/captures/flush`, {});
    const id = answer.parameters['prediction_ids']!['string_param'];
    expect(stage.registry.stored.find((capture) => capture.id === id)).toMatchObject({
      model: 'demand',
      version: '1.0.0',
      predicted: 87,
      key: 'me',
      inputs: { a: 7, b: 8, hour: 1_317_427_200_000 },
    });
  });

  it('counts calls by their name and status', async () => {
    await client.call('ModelInfer', typedPairs([[1, 1]]));
    await refusal(client.call('ModelInfer', { model_name: 'nothing', inputs: [{ name: 'a' }] }));
    const { body } = await get<string>(`${gateway.url}/metrics`);
    expect(body).toMatch(/gateway_requests_total\{protocol="grpc",endpoint="ModelInfer",status="OK",model_name="demand"\} [1-9]/);
    expect(body).toMatch(/gateway_requests_total\{protocol="grpc",endpoint="ModelInfer",status="NOT_FOUND"\} [1-9]/);
  });
});

describe('a request that is wrong', () => {
  it.each<[string, Message, RegExp]>([
    ['no model', typedPairs([[1, 1]], { model_name: '' }), /model_name is empty/],
    ['no inputs', { model_name: 'demand' }, /inputs is empty/],
    ['a datatype that there is not', badInput({ datatype: 'INT322' }), /input "a" has datatype "INT322": BOOL, INT8/],
    ['another datatype than the model takes', badInput({ datatype: 'FP32', contents: { fp32_contents: [1] } }), /FP64 is expected/],
    ['contents of another type', badInput({ contents: { fp32_contents: [1] } }), /has fp32_contents: fp64_contents are expected for FP64/],
    ['more contents than the shape', badInput({ contents: { fp64_contents: [1, 2] } }), /fp64_contents has 2 elements, its shape needs 1/],
    ['fewer contents than the shape', badInput({ shape: [3] }), /fp64_contents has 1 elements, its shape needs 3/],
    ['no contents', badInput({ contents: {} }), /fp64_contents has 0 elements/],
    ['a negative shape', badInput({ shape: [-1] }), /its shape holds -1/],
    ['a shape beyond counting', badInput({ shape: [2 ** 40, 2 ** 40] }), /more elements than can be counted/],
    ['a shape of very many dimensions', badInput({ shape: Array.from({ length: 100 }, () => 1) }), /more than 64 dimensions/],
    ['NaN', badInput({ contents: { fp64_contents: [NaN] } }), /element 0, is NaN|a finite number is expected/],
    ['a value out of bounds', badInput({ contents: { fp64_contents: [5_000] } }), /at most 1000 is expected/],
    [
      'an unknown input',
      typedPairs([[1, 1]], { inputs: [{ name: 'c', datatype: 'FP64', shape: [1], contents: { fp64_contents: [1] } }] }),
      /input "c" is not known/,
    ],
    [
      'raw and typed contents together',
      { ...rawPairs([[1, 1]]), inputs: typedPairs([[1, 1]])['inputs'] },
      /all tensors come raw, or none does/,
    ],
    [
      'fewer raw contents than inputs',
      { ...rawPairs([[1, 1]]), raw_input_contents: [Buffer.alloc(8)] },
      /raw_input_contents has 1 entries for 3 inputs/,
    ],
    [
      'raw contents of another length',
      { ...rawPairs([[1, 1]]), raw_input_contents: [Buffer.alloc(8), Buffer.alloc(7), Buffer.alloc(8)] },
      /expected 8, got 7/,
    ],
    ['a parameter without a value', typedPairs([[1, 1]], { parameters: { key: {} } }), /parameter "key" has no value/],
    [
      'a prediction id with a space',
      typedPairs([[1, 1]], { parameters: { prediction_id: { string_param: 'a b' } } }),
      /prediction_id must be/,
    ],
  ])('%s', async (_, request, details) => {
    const refused = await refusal(client.call('ModelInfer', request));
    expect(refused.details).toMatch(details);
    expect(refused.status).toBe('INVALID_ARGUMENT');
    expect(await client.call('ModelInfer', typedPairs([[1, 1]]))).toMatchObject({ model_name: 'demand' });
  });

  it('names a shared memory region, of which there are none', async () => {
    const region = { shared_memory_region: { string_param: 'r' } };
    expect(await refusal(client.call('ModelInfer', badInput({ parameters: region })))).toMatchObject({ status: 'UNIMPLEMENTED' });
    const output = typedPairs([[1, 1]], { outputs: [{ name: 'value', parameters: region }] });
    expect(await refusal(client.call('ModelInfer', output))).toMatchObject({ status: 'UNIMPLEMENTED' });
  });
});

/** One row whose input `a` is changed. */
function badInput(change: Message): Message {
  const request = typedPairs([[1, 1]]) as { inputs: Message[] };
  return { ...request, inputs: request.inputs.map((input) => (input['name'] === 'a' ? { ...input, ...change } : input)) };
}
