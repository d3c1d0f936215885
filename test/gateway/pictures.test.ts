import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { binaryBody, postBytes } from './support/binary.js';
import { GrpcClient, type InferMessage } from './support/grpc-client.js';
import { post } from './support/requests.js';
import { openStage, passedThrough } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;

beforeAll(async () => {
  const spec = { ...passedThrough, onnx: { input: 'picture', output: 'scores' }, output: { name: 'scores' } };
  gateway = await stage.serve([{ model: 'picture', version: '1.0.0', onnx: 'picture', spec }], {}, { grpcPort: 0 });
});

const shape = [1, 3, 224, 224];
const channel = 224 * 224;
/** A picture whose channels are 0.25, 0.5 and 0.75 throughout, so that their means are known. */
const pixels = Float32Array.from({ length: 3 * channel }, (_, at) => (1 + Math.floor(at / channel)) / 4);
const scores = [0.25, 0.5, 0.75];
const bytes = Buffer.from(pixels.buffer);
const url = (): string => `${gateway.url}/v2/models/picture/infer`;

// Models of pictures come from other frameworks by their converters to ONNX, and take 1x3x224x224.
describe('a model of pictures', () => {
  it('tells its shape', async () => {
    const told = (await (await fetch(`${gateway.url}/v2/models/picture`)).json()) as { inputs: unknown };
    expect(told.inputs).toEqual([{ name: 'picture', datatype: 'FP32', shape: [-1, 3, 224, 224] }]);
  });

  it('answers JSON, flat and nested', async () => {
    const flat = [...pixels];
    const nested = [scores.map((value) => Array.from({ length: 224 }, () => Array.from({ length: 224 }, () => value)))];
    for (const data of [flat, nested]) {
      const { status, body } = await post(url(), { inputs: [{ name: 'picture', datatype: 'FP32', shape, data }] });
      expect([status, body.outputs]).toEqual([200, [{ name: 'scores', datatype: 'FP32', shape: [1, 3], data: scores }]]);
    }
  });

  it('answers bytes, two pictures in a request', async () => {
    const two = Buffer.concat([bytes, bytes]);
    const input = { name: 'picture', datatype: 'FP32', shape: [2, 3, 224, 224], bytes: two };
    const { body, headers } = binaryBody([input], { parameters: { binary_data_output: true } });
    const answer = await postBytes(url(), body, headers);
    expect(answer.bytes['scores']).toEqual(Buffer.from(Float32Array.of(...scores, ...scores).buffer));
  });

  it('answers raw contents over gRPC', async () => {
    const client = new GrpcClient(gateway.grpcAddress);
    const request = { model_name: 'picture', inputs: [{ name: 'picture', datatype: 'FP32', shape }], raw_input_contents: [bytes] };
    const answer = await client.call<InferMessage>('ModelInfer', request);
    expect(answer.raw_output_contents).toEqual([Buffer.from(Float32Array.of(...scores).buffer)]);
  });

  it('refuses another size by name', async () => {
    const body = { inputs: [{ name: 'picture', datatype: 'FP32', shape: [1, 3, 2, 2], data: Array.from({ length: 12 }, () => 0) }] };
    expect(await post(url(), body)).toMatchObject({ status: 400, body: { error: expect.stringContaining('picture') as string } });
  });
});
