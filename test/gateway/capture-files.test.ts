import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ServingSpec } from '../../contracts/artifacts.js';
import type { Gateway } from '../../gateway/gateway.js';
import { binaryBody } from './support/binary.js';
import { capturedOf } from './support/captured.js';
import type { InferMessage } from './support/grpc-client.js';
import { GrpcClient, typedPairs } from './support/grpc-client.js';
import { pairs, post, until } from './support/requests.js';
import { identity, openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;

const everything = { sagemaker: { percent: 100, input: true, output: true } };
const captured: Partial<ServingSpec> = { capture: everything };
const halves = { ...identity, capture: everything };

beforeAll(async () => {
  for (const model of ['json', 'csv', 'binary', 'grpc', 'streamed', 'v1', 'packed']) {
    await stage.addLive({ model, version: '1.0.0', onnx: 'linear', spec: captured });
  }
  await stage.addLive({ model: 'halves', version: '1.0.0', onnx: 'identity-half', spec: halves });
  gateway = await stage.serve([{ model: 'plain', version: '1.0.0', onnx: 'linear' }], {}, { grpcPort: 0, packFromBytes: 50 });
});

const url = (model: string): string => `${gateway.url}/v2/models/${model}/infer`;

/** Posts bytes as they are, and answers the body as it came. */
async function exchange(to: string, body: string | Uint8Array, headers: Record<string, string> = {}) {
  const response = await fetch(to, { method: 'POST', body, headers });
  return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
}

describe('captured requests', () => {
  it('stand in files by model, variant and hour, in the form of SageMaker’s data capture', async () => {
    const body = JSON.stringify(pairs([[1, 2]]));
    const before = new Date();
    const answer = await exchange(url('json'), body, { 'content-type': 'application/json' });
    const { names, lines } = await capturedOf(stage, gateway, 'json');
    expect(names).toHaveLength(1);
    const hour = [before, new Date()].map((at) => at.toISOString().slice(0, 13).replace('T', '-').replaceAll('-', '/'));
    expect(names[0]).toMatch(new RegExp(`^champion/(${hour.join('|')})/\\d\\d-\\d\\d-\\d{3}-[0-9a-f-]{36}\\.jsonl$`));
    const id = (JSON.parse(answer.body.toString()) as { parameters: { prediction_ids: string } }).parameters.prediction_ids;
    expect(lines).toEqual([
      {
        captureData: {
          endpointInput: { observedContentType: 'application/json', mode: 'INPUT', data: body, encoding: 'JSON' },
          endpointOutput: { observedContentType: 'application/json', mode: 'OUTPUT', data: answer.body.toString(), encoding: 'JSON' },
        },
        eventMetadata: {
          eventId: id,
          customAttributes: ['model_version=1.0.0'],
          inferenceTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        },
        eventVersion: '0',
      },
    ]);
    expect(Object.keys(lines[0]!)).toEqual(['captureData', 'eventMetadata', 'eventVersion']);
  });

  it('of SageMaker’s runtime keep CSV as CSV, and the caller’s inference id', async () => {
    const body = '1317427200000,1,2\n1317430800000,3,4';
    const answer = await exchange(`${gateway.url}/endpoints/csv/invocations`, body, {
      'content-type': 'text/csv',
      'x-amzn-sagemaker-inference-id': 'order-7',
    });
    expect(answer.status).toBe(200);
    const { lines } = await capturedOf(stage, gateway, 'csv');
    expect(lines).toHaveLength(1);
    expect(lines[0]!.captureData).toEqual({
      endpointInput: { observedContentType: 'text/csv', mode: 'INPUT', data: body, encoding: 'CSV' },
      endpointOutput: {
        observedContentType: answer.headers.get('content-type'),
        mode: 'OUTPUT',
        data: answer.body.toString(),
        encoding: 'CSV',
      },
    });
    // The rows' predictions are order-7-0 and order-7-1.
    expect(lines[0]!.eventMetadata).toMatchObject({ eventId: 'order-7', inferenceId: 'order-7' });
  });

  it('with binary tensors are kept byte for byte in base64', async () => {
    const { body, headers } = binaryBody([
      { name: 'hour', datatype: 'INT64', shape: [1], bytes: BigInt64Array.of(1_317_427_200_000n) },
      { name: 'a', datatype: 'FP64', shape: [1], bytes: Float64Array.of(1) },
      { name: 'b', datatype: 'FP64', shape: [1], bytes: Float64Array.of(2) },
    ]);
    const answer = await exchange(url('binary'), body, headers);
    expect(answer.status).toBe(200);
    const { lines } = await capturedOf(stage, gateway, 'binary');
    const { endpointInput, endpointOutput } = lines[0]!.captureData;
    expect(endpointInput).toMatchObject({ observedContentType: 'application/octet-stream', encoding: 'BASE64' });
    expect(Buffer.from(endpointInput!.data, 'base64')).toEqual(Buffer.from(body));
    expect(endpointOutput).toMatchObject({ encoding: 'JSON', data: answer.body.toString() });
  });

  it('over gRPC are kept as their messages in base64', async () => {
    const client = new GrpcClient(gateway.grpcAddress);
    const answer = await client.call<InferMessage>('ModelInfer', { ...typedPairs([[1, 2]]), model_name: 'grpc' });
    const { lines } = await capturedOf(stage, gateway, 'grpc');
    expect(lines).toHaveLength(1);
    const { endpointInput, endpointOutput } = lines[0]!.captureData;
    expect(endpointInput).toMatchObject({ observedContentType: 'application/grpc+proto', encoding: 'BASE64' });
    const message = Buffer.from(endpointInput!.data, 'base64');
    // The request's first field is the model's name, field 1 of a message.
    expect(message.subarray(0, 6)).toEqual(Buffer.from([0x0a, 4, ...Buffer.from('grpc')]));
    expect(Buffer.from(endpointOutput!.data, 'base64').includes(answer.id)).toBe(true);
    expect(lines[0]!.eventMetadata.eventId).toBe(answer.id);
  });

  it('of streams, which have no body of their own, are made anew, each part by itself', async () => {
    const rows: [number, number][] = [
      [1, 2],
      [3, 4],
    ];
    const answer = await exchange(`${gateway.url}/v2/models/streamed/infer_stream`, JSON.stringify(pairs(rows)), {
      'content-type': 'application/json',
    });
    expect(answer.status).toBe(200);
    const { lines } = await capturedOf(stage, gateway, 'streamed');
    expect(lines).toHaveLength(2);
    const bodies = lines.map(({ captureData }) => ({
      input: JSON.parse(captureData.endpointInput!.data) as unknown,
      output: JSON.parse(captureData.endpointOutput!.data) as unknown,
    }));
    expect(bodies[1]).toEqual({
      input: {
        inputs: [
          { name: 'hour', shape: [1], datatype: 'INT64', data: [1_317_430_800_000] },
          { name: 'a', shape: [1], datatype: 'FP64', data: [3] },
          { name: 'b', shape: [1], datatype: 'FP64', data: [4] },
        ],
      },
      output: { outputs: [{ name: 'value', shape: [1], datatype: 'FP32', data: [43] }] },
    });
  });

  it('of TensorFlow Serving’s protocol are kept too', async () => {
    const body = JSON.stringify({ instances: [{ hour: 1_317_427_200_000, a: 1, b: 2 }] });
    const answer = await exchange(`${gateway.url}/v1/models/v1:predict`, body, { 'content-type': 'application/json' });
    const { lines } = await capturedOf(stage, gateway, 'v1');
    expect(lines[0]!.captureData).toMatchObject({ endpointInput: { data: body }, endpointOutput: { data: answer.body.toString() } });
  });

  it('are kept as they are without their packing', async () => {
    const body = JSON.stringify(pairs([[1, 2]]));
    const answer = await exchange(url('packed'), gzipSync(body), { 'content-encoding': 'gzip', 'accept-encoding': 'gzip' });
    expect(answer.headers.get('content-encoding')).toBe('gzip');
    const { lines } = await capturedOf(stage, gateway, 'packed');
    expect(lines[0]!.captureData).toMatchObject({
      endpointInput: { data: body, encoding: 'JSON' },
      endpointOutput: { data: answer.body.toString(), encoding: 'JSON' },
    });
  });

  it('are base64 on both sides where tensors have no form in JSON', async () => {
    const input = { name: 'x', datatype: 'FP16', shape: [1, 2], bytes: Uint16Array.of(0x3c00, 0xc000) };
    const { body, headers } = binaryBody([input], { parameters: { binary_data_output: true } });
    expect((await exchange(url('halves'), body, headers)).status).toBe(200);
    const { lines } = await capturedOf(stage, gateway, 'halves');
    expect(lines[0]!.captureData.endpointOutput!.encoding).toBe('BASE64');
  });

  it('are those of the models alone whose definition asks for them', async () => {
    expect((await post(url('plain'), pairs([[1, 2]]))).status).toBe(200);
    expect((await capturedOf(stage, gateway, 'plain')).names).toEqual([]);
  });
});

describe('what a definition asks of captures', () => {
  it('may be one side alone, and a share that is the same for every version that answers a request', async () => {
    const capture = { sagemaker: { percent: 40, input: false, output: true } };
    const sampled = await openStage();
    const served = await sampled.serve(
      [
        { model: 'sampled', version: '1.0.0', onnx: 'linear', spec: { capture } },
        { model: 'sampled', version: '1.0.1', onnx: 'linear-plus-1000', spec: { capture } },
      ],
      { shadow: '1.0.1' },
      { shadowLimitMs: 60_000 },
    );
    const ids: string[] = [];
    for (let i = 0; i < 200; i++) {
      const { body } = await post(`${served.url}/v2/models/sampled/infer`, pairs([[1, 2]]));
      ids.push(body.id);
    }
    // A busy machine sheds copies; what the shadow has answered is known then.
    const shed = async (): Promise<number> =>
      Number(/^gateway_shadow_shed_total\{.*\} (\d+)$/m.exec(await (await fetch(`${served.url}/metrics`)).text())?.[1] ?? 0);
    const shadowed = (): Set<string> => new Set(sampled.registry.stored.filter((row) => row.shadow).map(({ id }) => id));
    await until(async () => shadowed().size + (await shed()) === 200);
    const champion = await capturedOf(sampled, served, 'sampled/champion');
    const shadow = await capturedOf(sampled, served, 'sampled/shadow');
    expect(champion.lines.length).toBeGreaterThan(40);
    expect(champion.lines.length).toBeLessThan(120);
    const eventIds = ({ lines }: typeof champion): string[] => lines.map(({ eventMetadata }) => eventMetadata.eventId).sort();
    const copied = shadowed();
    expect(copied.size).toBeGreaterThan(0);
    expect(eventIds(shadow)).toEqual(eventIds(champion).filter((id) => copied.has(id)));
    expect(eventIds(champion).every((id) => ids.includes(id))).toBe(true);
    expect(champion.lines.every(({ captureData }) => captureData.endpointInput === undefined)).toBe(true);
    expect(JSON.parse(shadow.lines[0]!.captureData.endpointOutput!.data)).toEqual({
      outputs: [{ name: 'value', shape: [1], datatype: 'FP32', data: [1021] }],
    });
    expect(shadow.lines[0]!.eventMetadata.customAttributes).toEqual(['model_version=1.0.1']);
  });

  it('costs no answer while the files cannot be written, and is counted', async () => {
    const broken = await openStage();
    const served = await broken.serve([{ model: 'broken', version: '1.0.0', onnx: 'linear', spec: captured }], {}, { captureDiskUse: 0 });
    await until(() => broken.log.some(({ event }) => event === 'captureFilesStopped'));
    expect((await post(`${served.url}/v2/models/broken/infer`, pairs([[1, 2]]))).status).toBe(200);
    const metrics = await (await fetch(`${served.url}/metrics`)).text();
    expect(metrics).toMatch(/^gateway_capture_files_stopped 1$/m);
    expect(metrics).toMatch(/^gateway_capture_lines_lost_total 1$/m);
    expect((await capturedOf(broken, served, 'broken')).lines).toEqual([]);
  });

  it('leaves out what is too large to be written in passing, and counts it', async () => {
    const large = await openStage();
    const served = await large.serve([{ model: 'large', version: '1.0.0', onnx: 'linear', spec: captured }]);
    const rows = Array.from({ length: 40_000 }, (): [number, number] => [1, 2]);
    expect((await post(`${served.url}/v2/models/large/infer`, pairs(rows))).status).toBe(200);
    expect((await capturedOf(large, served, 'large')).lines).toEqual([]);
    expect(await (await fetch(`${served.url}/metrics`)).text()).toMatch(/^gateway_capture_lines_too_large_total 1$/m);
  });

  it('is there when the gateway stops', async () => {
    const stopping = await openStage();
    const served = await stopping.serve([{ model: 'last', version: '1.0.0', onnx: 'linear', spec: captured }]);
    expect((await post(`${served.url}/v2/models/last/infer`, pairs([[1, 2]]))).status).toBe(200);
    await served.stop();
    const next = await stopping.start();
    expect((await capturedOf(stopping, next, 'last')).lines).toHaveLength(1);
  });
});
