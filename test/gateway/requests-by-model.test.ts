import { join } from 'node:path';
import { expect, it } from 'vitest';
import { changeGatewayKeys, gatewayKeySource } from '../../adapters/keys/gateway-key-file.js';
import { makeGatewayKey } from '../../adapters/keys/gateway-key.js';
import { RequestCounts } from '../../gateway/watching/request-counts.js';
import { Exposition } from '../../gateway/watching/exposition.js';
import { GrpcClient, refusal, typedPairs } from './support/grpc-client.js';
import { pairs, post } from './support/requests.js';
import { openStage } from './support/stage.js';

const admin = { authorization: 'Bearer the-token-of-this-test' };

/** Samples of `gateway_requests_total` that name a model, or all with this beginning. */
async function counted(url: string, beginning = ''): Promise<Record<string, number>> {
  const text = await (await fetch(`${url}/metrics`, { headers: admin })).text();
  const lines = [...text.matchAll(/^gateway_requests_total\{(.*)\} (\d+)$/gm)].map(
    ([, labels = '', value]) => [labels, Number(value)] as const,
  );
  return Object.fromEntries(lines.filter(([labels]) => labels.includes('model_name=') && labels.startsWith(beginning)));
}

const serve = async (settings = {}) => (await openStage()).serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, settings);

it('counts what fails before a prediction for the model that was asked', async () => {
  const { url } = await serve();
  for (let i = 0; i < 5; i++) expect((await post(`${url}/v2/models/demand/infer`, '{"inputs":')).status).toBe(400);
  expect((await post(`${url}/v1/models/demand:predict`, pairs([[1, 2]]))).status).toBe(400);
  expect((await post(`${url}/endpoints/demand/invocations`, '1,2,3', { 'content-type': 'text/csv' })).status).toBe(200);
  expect((await post(`${url}/v2/models/demand/infer`, pairs([[1, 2]]))).status).toBe(200);
  expect(await counted(url)).toEqual({
    'protocol="http",endpoint="infer",status="400",model_name="demand"': 5,
    'protocol="http",endpoint="v1Predict",status="400",model_name="demand"': 1,
    'protocol="http",endpoint="invocations",status="200",model_name="demand"': 1,
    'protocol="http",endpoint="infer",status="200",model_name="demand"': 1,
  });
});

it('counts those that a key does not let through, without a key and beyond its rate', async () => {
  const stage = await openStage();
  const file = join(stage.folder, 'keys.json');
  const { key, secret } = makeGatewayKey(
    { name: 'slow', role: 'predict', models: null, requestsPerSecond: 0.001, expiresAtMs: null },
    Date.now(),
  );
  await changeGatewayKeys(file, () => [key]);
  await stage.addLive({ model: 'demand', version: '1.0.0', onnx: 'linear' });
  const { url } = await stage.start({ token: 'the-token-of-this-test' }, { keys: gatewayKeySource(file) });
  const infer = async (model: string, headers: Record<string, string>) =>
    (await post(`${url}/v2/models/${model}/infer`, pairs([[1, 2]]), headers)).status;
  expect(await infer('demand', {})).toBe(401);
  expect(await infer('invented', {})).toBe(401);
  const limited = { authorization: `Bearer ${secret}` };
  const statuses = [await infer('demand', limited), await infer('demand', limited), await infer('demand', limited)];
  expect(statuses.at(-1)).toBe(429);
  const refused = statuses.filter((status) => status === 429).length;
  expect(await counted(url)).toMatchObject({
    'protocol="http",endpoint="infer",status="401",model_name="demand"': 1,
    'protocol="http",endpoint="infer",status="429",model_name="demand"': refused,
  });
});

it('makes no series of a name that no route knows, wherever it stands', async () => {
  const { url, grpcAddress } = await serve({ grpcPort: 0 });
  const client = new GrpcClient(grpcAddress);
  const many = { 'x-amzn-sagemaker-target-model': 'invented' };
  for (const path of [
    '/v2/models/invented/infer',
    '/v2/models/invented/labels',
    '/endpoints/invented/invocations',
    '/v1/models/invented:predict',
  ])
    expect((await post(url + path, '{}')).status, path).toBeGreaterThanOrEqual(400);
  expect((await post(`${url}/endpoints/multi-model/invocations`, '{}', many)).status).toBeGreaterThanOrEqual(400);
  expect((await post(`${url}/endpoints/multi-model/invocations`, '{}', { 'x-amzn-sagemaker-target-model': 'a/b/c' })).status).toBe(400);
  await refusal(client.call('ModelInfer', typedPairs([[1, 2]], { model_name: 'invented' })));
  await refusal(client.call('ModelMetadata', { name: 'invented' }));
  expect(await counted(url)).toEqual({});
  expect(await (await fetch(`${url}/metrics`)).text()).not.toContain('invented');
});

it('counts behind the multi-model endpoint for the model that the header names', async () => {
  const { url } = await serve();
  const csv = { 'content-type': 'text/csv', 'x-amzn-sagemaker-target-model': 'demand.tar.gz' };
  expect((await post(`${url}/endpoints/multi-model/invocations`, '1,2,3', csv)).status).toBe(200);
  expect(await counted(url)).toEqual({ 'protocol="http",endpoint="invocations",status="200",model_name="demand"': 1 });
});

it('counts calls of gRPC, also those whose message breaks off behind the name', async () => {
  const { url, grpcAddress } = await serve({ grpcPort: 0 });
  const client = new GrpcClient(grpcAddress);
  await client.call('ModelInfer', typedPairs([[1, 2]]));
  await client.call('ModelReady', { name: 'demand' });
  await refusal(client.call('ModelConfig', { name: 'demand', version: '9.9.9' }));
  const named = Buffer.concat([Buffer.from([10, 6]), Buffer.from('demand')]);
  for (let i = 0; i < 3; i++) await refusal(client.bytes('ModelInfer', Buffer.concat([named, Buffer.from([42, 200])])));
  const stream = client.stream();
  const answered = new Promise((resolve) => stream.once('data', resolve));
  stream.write({ model_name: 'demand' });
  await answered;
  stream.end();
  expect(await counted(url)).toEqual({
    'protocol="grpc",endpoint="ModelInfer",status="OK",model_name="demand"': 1,
    'protocol="grpc",endpoint="ModelReady",status="OK",model_name="demand"': 1,
    'protocol="grpc",endpoint="ModelConfig",status="NOT_FOUND",model_name="demand"': 1,
    'protocol="grpc",endpoint="ModelInfer",status="INVALID_ARGUMENT",model_name="demand"': 3,
    'protocol="grpc",endpoint="ModelStreamInfer",status="INVALID_ARGUMENT",model_name="demand"': 1,
  });
});

it('lets go of models that are served no more, the oldest first, so that a year of them is not told for ever', () => {
  const served = new Set<string>();
  const counts = new RequestCounts((model) => served.has(model));
  for (let i = 0; i < 500; i++) {
    served.add(`model-${i}`);
    counts.of(`model-${i}`).count('http', 'infer', 200);
    if (i > 0) served.delete(`model-${i}`);
  }
  const text = new Exposition();
  counts.write(text);
  const told = [...text.text.matchAll(/model_name="(model-\d+)"/g)].map(([, model]) => model);
  expect(told).toHaveLength(1 + 200);
  expect(told).toContain('model-0');
  expect(told).toContain('model-499');
  expect(told).not.toContain('model-1');
});
