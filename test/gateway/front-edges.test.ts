import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { BodyRoom } from '../../gateway/http/body-room.js';
import { readBody } from '../../gateway/http/request-body.js';
import type { GatewayRequest } from '../../gateway/http/whole-request.js';
import type { InferMessage } from './support/grpc-client.js';
import { GrpcClient } from './support/grpc-client.js';
import { ask, get, pairs, post } from './support/requests.js';
import { openRaw } from './support/raw-socket.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
await stage.addFixture('identity-float');
await stage.addLive({ model: 'stats', version: '1.0.0', onnx: 'linear' });
await stage.addVersion({ model: 'demand', version: '0.9.0', onnx: 'linear' });
const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], { standby: ['0.9.0'] }, { grpcPort: 0 });
const floats = (shape: string, data: string, more = '') =>
  post(
    `${gateway.url}/v2/models/identity-float/infer`,
    `{"inputs":[{"name":"x","datatype":"FP32","shape":[${shape}],"data":[${data}]}]${more}}`,
  );

describe('shapes', () => {
  it('that the rows do not have are refused without the memory for them', async () => {
    const width = 20_000;
    const rows = 400_000;
    const answer = await floats(`${rows},${width}`, `[${'0,'.repeat(width - 1)}0]${',[]'.repeat(rows - 1)}`);
    expect(answer).toMatchObject({ status: 400, body: { error: expect.stringContaining('needs 20000') as string } });
  });

  it.each(['0,4503599627370496', '0,2147483648', '2147483648,0'])('of [%s] are refused though they hold nothing', async (shape) => {
    expect((await floats(shape, '')).status).toBe(400);
    expect((await floats('0,2147483647', '')).status).toBe(200);
  });

  it('of outputs without rows have no classes', async () => {
    const answer = await floats('0,2', '', ',"outputs":[{"name":"y","parameters":{"classification":1}}]');
    expect(answer).toMatchObject({ status: 200, body: { outputs: [{ shape: [0, 0], datatype: 'BYTES', data: [] }] } });
  });
});

describe('classes', () => {
  it('are those of a row in both protocols, whatever the model', async () => {
    const asked = ',"outputs":[{"name":"y","parameters":{"classification":2}}]';
    const rest = await floats('2,3', '1,5,3,9,7,8', asked);
    expect(rest.body.outputs).toMatchObject([{ shape: [2, 2], data: ['5:1', '3:2', '9:0', '8:2'] }]);
    const grpc = await new GrpcClient(gateway.grpcAddress).call<InferMessage>('ModelInfer', {
      model_name: 'identity-float',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 3], contents: { fp32_contents: [1, 5, 3, 9, 7, 8] } }],
      outputs: [{ name: 'y', parameters: { classification: { int64_param: 2 } } }],
    });
    expect(grpc.outputs).toMatchObject([
      { shape: ['2', '2'], contents: { bytes_contents: ['5:1', '3:2', '9:0', '8:2'].map((one) => Buffer.from(one)) } },
    ]);
  });
});

describe('paths', () => {
  it('that are none are not there while models are loaded either', async () => {
    stage.registry.away = true;
    const loading = await stage.start({ folder: `${stage.folder}/loading` });
    expect((await get(`${loading.url}/v2/nothing`)).status).toBe(404);
    expect((await get(`${loading.url}/v2/models/unknown`)).status).toBe(503);
    stage.registry.away = false;
  });

  it('of a model whose name is a word of the protocol lead to it', async () => {
    expect(await ask(gateway, 'stats')).toMatchObject({ status: 200, body: { model_name: 'stats' } });
    expect(await get(`${gateway.url}/v2/models/stats/ready`)).toMatchObject({ status: 200, body: { name: 'stats' } });
    expect((await get(`${gateway.url}/v2/models/stats`)).body).toHaveProperty('model_stats');
    expect((await get(`${gateway.url}/v2/models/stats/nothing`)).status).toBe(404);
  });
});

describe('Accept', () => {
  it.each(['text/html, */*; q=0.2', '*/*;q=0.8', 'image/png, */*'])('%s takes what the request is', async (accept) => {
    const answer = await post(`${gateway.url}/endpoints/demand/invocations`, pairs([[1, 2]]), { accept });
    expect(answer).toMatchObject({ status: 200, body: { outputs: [{ data: [21] }] } });
  });
});

describe("TensorFlow Serving's status", () => {
  it('does not call available what a person has unloaded', async () => {
    const version = async () => (await get(`${gateway.url}/v1/models/demand/versions/0.9.0`)).body;
    expect(await version()).toMatchObject({ ready: true, model_version_status: [{ version: '0.9.0', state: 'AVAILABLE' }] });
    expect((await post(`${gateway.url}/v2/repository/models/demand/versions/0.9.0/unload`, {})).status).toBe(200);
    expect(await version()).toMatchObject({
      ready: false,
      model_version_status: [
        { state: 'END', status: { error_code: 'UNAVAILABLE', error_message: expect.stringContaining('unloaded') as string } },
      ],
    });
    expect((await get(`${gateway.url}/v1/models/demand`)).body).toMatchObject({ ready: true });
  });
});

/** A request of `node:http` that has come as a whole. */
function received(headers: IncomingMessage['headers'], body: Buffer): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.headers = headers;
  request.push(body);
  request.push(null);
  request.complete = true;
  return request;
}

describe('bodies', () => {
  it('that are packed take their room while they are unpacked, not afterwards', async () => {
    const told: number[] = [];
    const room = new (class extends BodyRoom {
      override hold(request: GatewayRequest, bytes: number): void {
        told.push(bytes);
        super.hold(request, bytes);
      }
    })(1_000_000);
    const packed = gzipSync(Buffer.alloc(50_000_000));
    const body = readBody(received({ 'content-encoding': 'gzip' }, packed), { maxBytes: 60_000_000, room });
    await expect(body).rejects.toMatchObject({ kind: 'overloaded' });
    // It is refused where the room ends, long before all of it has come out.
    expect(Math.max(...told)).toBeLessThan(2_000_000);
  });

  it('of callers who have left already are not waited for', async () => {
    const request = received({}, Buffer.from('{}'));
    request.destroy();
    const limits = { maxBytes: 1_000, room: new BodyRoom(1_000) };
    await expect(readBody(request, limits)).rejects.toMatchObject({ kind: 'invalidRequest', message: 'the body ended early' });
  });
});

describe('stopping', () => {
  it('does not wait for connections on which nothing was ever sent', async () => {
    const limits = { headersTimeoutMs: 600_000, requestTimeoutMs: 600_000, drainLimitMs: 600_000, drainNoticeMs: 50 };
    const other = await stage.start({ folder: `${stage.folder}/other`, ...limits });
    const raw = await openRaw(other.url);
    await other.stop();
    expect(await raw.closed).toBe('');
  });
});
