import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { InferenceClient, InferenceError } from '../../clients/inference/src/index.js';

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const x = { name: 'x', datatype: 'FP32', shape: [1], data: [1] } as const;
const answer = (datatype: string, data: unknown) =>
  JSON.stringify({ model_name: 'm', outputs: [{ name: 'y', datatype, shape: [1], data }] });
const thrownBy = async (call: Promise<unknown>): Promise<InferenceError> => {
  const thrown = await call.then(
    () => expect.fail('it was answered'),
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(InferenceError);
  return thrown as InferenceError;
};

describe('a stream that breaks', () => {
  const stream = async (client: InferenceClient, options: object = {}): Promise<void> => {
    for await (const _ of client.inferStream('m', [x], options));
  };

  it('ends with an InferenceError, however it breaks', async () => {
    const url = await serve((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${answer('FP32', [1])}\n\n`);
      if (request.url!.includes('broken')) setTimeout(() => response.destroy(), 20);
    });
    const client = new InferenceClient(url);
    const broken = (async () => {
      for await (const _ of client.inferStream('broken', [x]));
    })();
    expect((await thrownBy(broken)).kind).toBe('unreachable');
    expect((await thrownBy(stream(client, { timeoutMs: 100 }))).kind).toBe('timeout');
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    expect((await thrownBy(stream(client, { signal: stop.signal }))).kind).toBe('cancelled');
  });
});

it('whoever cancels his call cancels nobody else, also while both wait to learn what the server can', async () => {
  let asked = 0;
  const url = await serve((request, response) => {
    request.resume();
    if (request.url === '/v2') {
      // The first one is never answered.
      if (++asked > 1) response.end(JSON.stringify({ name: 's', version: '1', extensions: [] }));
    } else if (request.url === '/v2/models/m') {
      if (++asked > 1) response.end(JSON.stringify({ name: 'm', inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }], outputs: [] }));
    } else response.end(answer('FP32', [2]));
  });
  for (const open of [
    () => {
      const client = new InferenceClient(url);
      return (signal?: AbortSignal) => client.infer('m', [x], signal === undefined ? {} : { signal });
    },
    () => {
      const model = new InferenceClient(url, { binary: false }).model('m');
      return (signal?: AbortSignal) => model.infer({ x: [1] } as never, signal === undefined ? {} : { signal });
    },
  ]) {
    asked = 0;
    const infer = open();
    const stop = new AbortController();
    const [first, second] = [thrownBy(infer(stop.signal)), infer()];
    setTimeout(() => stop.abort(), 30);
    expect((await first).kind).toBe('cancelled');
    expect((await second).outputs['y' as never]).toMatchObject({ data: Float32Array.of(2) });
  }
});

it.each([
  ['FP32', [null], /output "y".*null/],
  ['INT32', ['1'], /output "y".*1/],
  ['FP16', [1.5], /FP16.*no JSON form/],
])('an answer of %s with %j is no answer of the protocol', async (datatype, data, message) => {
  const url = await serve((request, response) => {
    request.resume();
    response.end(answer(datatype, data));
  });
  const error = await thrownBy(new InferenceClient(url, { binary: false }).infer('m', [x]));
  expect(error.kind).toBe('protocol');
  expect(error.message).toMatch(message);
});
