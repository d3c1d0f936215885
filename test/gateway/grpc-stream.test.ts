import type { ClientDuplexStream } from '@grpc/grpc-js';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import type { StreamMessage } from './support/grpc-client.js';
import { GrpcClient, rawPairs, typedPairs } from './support/grpc-client.js';
import { get, until } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
const slow = { model: 'slow', version: '1.0.0', onnx: 'slow' };
let gateway: Gateway;
let client: GrpcClient;

beforeAll(async () => {
  await stage.addVersion(slow);
  stage.registry.setRoute({ model: 'slow', variants: [{ version: '1.0.0', weight: 1 }] });
  gateway = await stage.serve(
    [{ model: 'demand', version: '1.0.0', onnx: 'linear' }],
    {},
    { grpcPort: 0, grpcMaxInFlight: 4, maxBatchRows: 1, maxThreads: 1 },
  );
  client = new GrpcClient(gateway.grpcAddress);
});

/** What a stream answered, and how it ended. */
function follow(stream: ClientDuplexStream<object, StreamMessage>) {
  const answers: StreamMessage[] = [];
  stream.on('data', (answer: StreamMessage) => answers.push(answer));
  const ended = new Promise<{ code: number; details: string }>((resolve) => {
    stream.on('status', resolve);
    stream.on('error', () => undefined);
  });
  return { answers, ended };
}

const ids = (answers: readonly StreamMessage[]) => answers.map(({ infer_response: response }) => response?.id);

describe('ModelStreamInfer', () => {
  it('answers each request in the order they came, slow and fast, typed and raw', async () => {
    const stream = client.stream();
    const { answers, ended } = follow(stream);
    for (let i = 0; i < 40; i++) {
      const form = i % 3 === 0 ? rawPairs : typedPairs;
      stream.write(form([[i, 1]], { id: `request-${i}`, model_name: i % 5 === 0 ? 'slow' : 'demand' }));
    }
    stream.end();
    expect(await ended).toMatchObject({ code: 0 });
    expect(ids(answers)).toEqual(Array.from({ length: 40 }, (_, i) => `request-${i}`));
    answers.forEach(({ infer_response: response, error_message: error }, i) => {
      expect(error).toBe('');
      const value = i + 10 + (i % 5 === 0 ? 3000 : 0);
      if (i % 3 === 0) expect(response!.raw_output_contents).toEqual([Buffer.from(Float32Array.of(value).buffer)]);
      else expect(response!.outputs[0]!.contents!['fp32_contents']).toEqual([value]);
      // One answer a request: clients that count responses are told that nothing more follows.
      expect(response!.parameters['triton_final_response']).toMatchObject({ bool_param: true });
    });
  });

  it('tells what is wrong with a request in its answer, and goes on', async () => {
    const stream = client.stream();
    const { answers, ended } = follow(stream);
    stream.write(typedPairs([[1, 1]], { id: 'good-1' }));
    stream.write(typedPairs([[5_000, 1]], { id: 'out-of-bounds' }));
    stream.write(typedPairs([[1, 1]], { id: 'unknown', model_name: 'my-model' }));
    stream.write(typedPairs([[1, 1]], { id: 'no-model', model_name: '' }));
    stream.write(typedPairs([[2, 1]], { id: 'good-2' }));
    await until(() => answers.length === 5);
    expect(answers.map(({ error_message: error }) => error)).toEqual([
      '',
      expect.stringContaining('at most 1000 is expected'),
      expect.stringMatching(/^Request for unknown model: 'my-model'/),
      expect.stringContaining('model_name is empty'),
      '',
    ]);
    expect(ids(answers)).toEqual(['good-1', 'out-of-bounds', 'unknown', undefined, 'good-2']);
    stream.write(typedPairs([[3, 1]], { id: 'good-3' }));
    stream.end();
    expect(await ended).toMatchObject({ code: 0 });
    expect(answers.at(-1)!.infer_response).toMatchObject({ id: 'good-3', outputs: [{ contents: { fp32_contents: [13] } }] });
  });

  it('ends at once for a caller who asks nothing', async () => {
    const stream = client.stream();
    const { answers, ended } = follow(stream);
    stream.end();
    expect(await ended).toMatchObject({ code: 0 });
    expect(answers).toEqual([]);
  });

  it('reads no further than it may have under way', async () => {
    const stream = client.stream();
    const { answers, ended } = follow(stream);
    for (let i = 0; i < 20; i++) stream.write(typedPairs([[1, 1]], { model_name: 'slow', id: `${i}` }));
    stream.end();
    let most = 0;
    while (answers.length < 20) {
      const { body } = await get<string>(`${gateway.url}/metrics`);
      const pending = /nv_inference_pending_request_count\{model="slow",version="1.0.0"\} (\d+)/.exec(body)?.[1];
      most = Math.max(most, Number(pending));
    }
    await ended;
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(4);
  });

  it('runs nothing more for a caller who has gone', async () => {
    const counted = async () => {
      const { body } = await get<string>(`${gateway.url}/metrics`);
      return Number(/model_predictions_total\{model_name="slow",version="1.0.0"\} (\d+)/.exec(body)?.[1] ?? 0);
    };
    const before = await counted();
    const stream = client.stream();
    const { answers, ended } = follow(stream);
    for (let i = 0; i < 100; i++) stream.write(typedPairs([[1, 1]], { model_name: 'slow' }));
    await until(() => answers.length >= 2);
    stream.cancel();
    expect(await ended).toMatchObject({ code: 1 });
    await client.call('ModelInfer', typedPairs([[1, 1]], { model_name: 'slow' }));
    // What was answered, the one in the run, what was read meanwhile, and the one after it.
    expect((await counted()) - before).toBeLessThan(30);
  });

  it('is answered to the last request that was read when the gateway stops, and then told to go elsewhere', async () => {
    const stopping = await stage.start({ grpcPort: 0, maxBatchRows: 1, maxThreads: 1, folder: `${stage.folder}/stopping` });
    const other = new GrpcClient(stopping.grpcAddress);
    const idle = follow(other.stream());
    const stream = other.stream();
    const { answers, ended } = follow(stream);
    for (let i = 0; i < 10; i++) stream.write(typedPairs([[i, 1]], { model_name: 'slow', id: `${i}` }));
    await until(() => answers.length >= 1);
    await stopping.stop();
    expect(await ended).toMatchObject({ code: 14, details: expect.stringContaining('the gateway is stopping') });
    expect(await idle.ended).toMatchObject({ code: 14 });
    // Nothing that was begun is lost, and nothing failed.
    expect(ids(answers)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`).slice(0, answers.length));
    expect(answers.every(({ error_message: error }) => error === '')).toBe(true);
  });
});
