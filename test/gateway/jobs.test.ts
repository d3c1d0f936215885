import { InvokeEndpointAsyncCommand, SageMakerRuntimeClient, ValidationError } from '@aws-sdk/client-sagemaker-runtime';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFileNamedObjects } from '../../adapters/named-objects/file-named-objects.js';
import { openNamedObjects } from '../../adapters/named-objects/open-named-objects.js';
import type { Gateway } from '../../gateway/gateway.js';
import { s3Credentials, startS3 } from '../objects/s3-server.js';
import { ask, get, pairs, post, until } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
const place = join(stage.folder, 'async');
const named = openFileNamedObjects(place);
let gateway: Gateway;

beforeAll(async () => {
  for (const onnx of ['slow', 'failing']) {
    await stage.addLive({ model: onnx, version: '1.0.0', onnx });
  }
  await stage.addLive({ model: 'demand', version: '1.0.0', onnx: 'linear' });
  gateway = await stage.start({}, { named });
});

type Job = {
  readonly id: string;
  readonly state: string;
  readonly error?: string;
  readonly progress: { readonly rows: number | null; readonly done: number; readonly failed: number };
};
type Line = {
  readonly row: number;
  readonly id: string;
  readonly version: string;
  readonly outputs: { value: number };
  readonly error?: string;
};

const submitTo = (at: Gateway, model: string) => (body: unknown, headers: Record<string, string>) =>
  post<Job & { error: string }>(`${at.url}/v2/models/${model}/jobs`, body, headers);
const submit = (model: string, body: unknown, headers: Record<string, string> = {}) => submitTo(gateway, model)(body, headers);

async function ended(id: string, at = gateway): Promise<Job> {
  let job: Job | undefined;
  await until(async () => {
    job = (await get<Job>(`${at.url}/v2/jobs/${id}`)).body;
    return ['succeeded', 'failed', 'cancelled'].includes(job.state);
  });
  return job!;
}

async function results(id: string, at = gateway): Promise<Line[]> {
  const answer = await fetch(`${at.url}/v2/jobs/${id}/result`);
  expect(answer.status).toBe(200);
  const text = await answer.text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

const values = (lines: readonly Line[]): unknown[] => lines.map((line) => line.error ?? line.outputs.value);

describe('a long job', () => {
  it('answers the rows of an inference request, one line each, and is found under its location', async () => {
    const rows = Array.from({ length: 150 }, (_, i): [number, number] => [i, 1]);
    const { status, headers, body } = await submit('demand', pairs(rows));
    expect([status, body.state]).toEqual([202, 'queued']);
    expect(headers.get('location')).toBe(`/v2/jobs/${body.id}`);
    expect(await ended(body.id)).toMatchObject({ state: 'succeeded', model: 'demand', progress: { rows: 150, done: 150, failed: 0 } });
    const lines = await results(body.id);
    expect(values(lines)).toEqual(rows.map(([a]) => a + 10));
    expect(lines.map(({ row }) => row)).toEqual(rows.map((_, i) => i));
    expect(lines[70]).toMatchObject({ version: '1.0.0', variant: 'champion', id: `${body.id}-64-6` });
  });

  it.each([
    ['instances', 'application/json', JSON.stringify({ instances: [[0, 1, 2], { hour: 0, a: 3, b: 4 }] })],
    ['JSON lines', 'application/jsonlines', '[0,1,2]\n\n{"hour":0,"a":3,"b":4}'],
    ['CSV', 'text/csv', '0,1,2\n0,3,4\n'],
    ['CSV with a header', 'text/csv', 'hour,a,b\r\n0,1,2\r\n0,3,4\r\n'],
  ])('takes %s', async (_, type, text) => {
    const { body } = await submit('demand', text, { 'content-type': type });
    expect(await ended(body.id)).toMatchObject({ state: 'succeeded', progress: { rows: 2, done: 2 } });
    expect(values(await results(body.id))).toEqual([21, 43]);
  });

  it('takes an object by its digest', async () => {
    const text = Array.from({ length: 300 }, (_, i) => `[0,${i},0]`).join('\n');
    const { digest } = await stage.objects.put(Buffer.from(text), 'application/jsonlines');
    const { body } = await submit('demand', { id: 'by-digest', input: { digest, format: 'jsonLines' } });
    expect(await ended(body.id)).toMatchObject({ id: 'by-digest', state: 'succeeded', progress: { rows: 300 } });
    expect(values(await results(body.id))).toEqual(Array.from({ length: 300 }, (_, i) => i));
    const { body: absent } = await submit('demand', { input: { digest: `sha256:${'0'.repeat(64)}`, format: 'csv' } });
    expect(await ended(absent.id)).toMatchObject({ state: 'failed', error: expect.stringContaining('000') as string });
  });

  it('has the error of a wrong row in its place, and the others beside it', async () => {
    const { body } = await submit('demand', '0,1,2\n0,x,2\n0,5000,2\n0,3,4', { 'content-type': 'text/csv' });
    expect(await ended(body.id)).toMatchObject({ state: 'succeeded', progress: { rows: 4, done: 4, failed: 2 } });
    expect(values(await results(body.id))).toEqual([
      21,
      'row 1: a is "x": a number is expected',
      'input "a", row 2, is 5000: at most 1000 is expected',
      43,
    ]);
    const named = await submit('demand', { instances: [[0, 1, 2], { hour: 0 }] });
    await ended(named.body.id);
    expect(values(await results(named.body.id))).toEqual([21, expect.stringMatching(/^instances\[1\]\.a is missing/)]);
    const failing = await submit('failing', '0,1,2\n0,500,2', { 'content-type': 'text/csv' });
    await ended(failing.body.id);
    expect(values(await results(failing.body.id))).toEqual([2001, expect.stringContaining('the model failed')]);
  });

  it('is the same one under the same id, and another body is a conflict', async () => {
    const key = { 'idempotency-key': 'once' };
    const first = await submit('demand', pairs([[1, 2]]), key);
    const again = await submit('demand', pairs([[1, 2]]), key);
    expect([first.status, again.status, again.body.id]).toEqual([202, 200, 'once']);
    await ended('once');
    expect((await results('once')).length).toBe(1);
    expect(await submit('demand', pairs([[3, 4]]), key)).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining('once') as string },
    });
    expect((await submit('demand', pairs([[1, 2]]), { 'idempotency-key': '../x' })).status).toBe(400);
  });

  it('refuses at once what cannot be a job', async () => {
    expect((await submit('nothing', pairs([[1, 2]]))).status).toBe(404);
    expect((await submit('demand', '{')).status).toBe(400);
    expect((await submit('demand', { inputs: [] })).status).toBe(400);
    expect((await submit('demand', { input: { digest: 'x', format: 'csv' } })).status).toBe(400);
    expect((await submit('demand', { input: { digest: `sha256:${'0'.repeat(64)}`, format: 'xml' } })).status).toBe(400);
    expect((await submit('demand', 'x', { 'content-type': 'image/png' })).status).toBe(415);
    expect((await get(`${gateway.url}/v2/jobs/none`)).status).toBe(404);
    expect((await get(`${gateway.url}/v2/jobs/none/result`)).status).toBe(404);
  });

  it('leaves live requests their place while it is at work, has no results before its end, and can be cancelled', async () => {
    const { body } = await submit('slow', pairs(Array.from({ length: 2_000 }, () => [1, 1] as const)));
    await until(async () => (await get<Job>(`${gateway.url}/v2/jobs/${body.id}`)).body.progress.done > 0);
    expect((await ask(gateway, 'slow')).body.outputs[0]!.data).toEqual([3021]);
    expect((await get(`${gateway.url}/v2/jobs/${body.id}/result`)).status).toBe(409);
    const cancelled = await fetch(`${gateway.url}/v2/jobs/${body.id}`, { method: 'DELETE' });
    expect(await cancelled.json()).toMatchObject({ state: 'cancelled' });
    const lines = await results(body.id);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThan(2_000);
    expect((await fetch(`${gateway.url}/v2/jobs/${body.id}`, { method: 'DELETE' })).status).toBe(200);
    expect((await get(`${gateway.url}/v2/jobs/${body.id}`)).status).toBe(404);
  });
});

describe('jobs over restarts', () => {
  it('go on at the row where they were, with every row once', async () => {
    const folder = join(stage.folder, 'restarting');
    // One row of the first slice is wrong: it stays counted over the restart.
    const rows = Array.from({ length: 400 }, (_, i): [number, number] => [i === 3 ? 5_000 : i, 1]);
    const first = await stage.start({ folder });
    const { body } = await submitTo(first, 'slow')(pairs(rows), { 'idempotency-key': 'restarted' });
    await until(async () => (await get<Job>(`${first.url}/v2/jobs/${body.id}`)).body.progress.done >= 64);
    await first.stop();
    // What a killed process leaves: half a line.
    const path = join(folder, 'jobs', 'restarted', 'result.jsonl');
    const written = await readFile(path, 'utf8');
    await writeFile(path, `${written}{"row":`);
    const before = written.split('\n').length - 1;
    expect(before).toBeLessThan(rows.length);
    const captured = stage.registry.stored.length;
    const second = await stage.start({ folder });
    expect(await ended('restarted', second)).toMatchObject({ state: 'succeeded', progress: { rows: 400, done: 400, failed: 1 } });
    const lines = await results('restarted', second);
    expect(lines.map(({ row }) => row)).toEqual(rows.map((_, i) => i));
    expect(values(lines)).toEqual(
      rows.map(([a], row) => (row === 3 ? (expect.stringContaining('at most 1000') as string) : a + 10 + 3000)),
    );
    expect(new Set(lines.map(({ id }) => id)).size).toBe(rows.length);
    await until(() => stage.registry.stored.length >= captured + rows.length - before);
    expect(stage.registry.stored.length - captured).toBeLessThanOrEqual(rows.length - before + 64);
  });

  it('are removed when their time is over, and refused when there are too many', async () => {
    const folder = join(stage.folder, 'expiring');
    const short = await stage.start({ folder, jobTtlMs: 0, maxJobs: 2 });
    for (const id of ['one', 'two']) await submitTo(short, 'demand')(pairs([[1, 2]]), { 'idempotency-key': id });
    expect(await submitTo(short, 'demand')(pairs([[1, 2]]), {})).toMatchObject({ status: 503 });
    await ended('one', short);
    await ended('two', short);
    await short.stop();
    const again = await stage.start({ folder, jobTtlMs: 0 });
    expect((await get(`${again.url}/v2/jobs/one`)).status).toBe(404);
    expect(await readdir(join(folder, 'jobs'))).toEqual([]);
  });
});

describe('InvokeEndpointAsync by the AWS SDK', () => {
  const clientOf = (url: string) =>
    new SageMakerRuntimeClient({
      endpoint: url,
      region: 'eu-central-1',
      credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'none' },
      maxAttempts: 1,
    });
  let client: SageMakerRuntimeClient;
  beforeAll(() => {
    client = clientOf(gateway.url);
  });
  afterAll(() => client.destroy());

  const invoke = (more: object) =>
    client.send(new InvokeEndpointAsyncCommand({ EndpointName: 'demand', ContentType: 'text/csv', ...more }));
  async function bring(name: string, text: string): Promise<string> {
    await mkdir(place, { recursive: true });
    await writeFile(join(place, name), text);
    return pathToFileURL(join(place, name)).href;
  }
  async function fetched(location: string): Promise<string> {
    let text: string | null = null;
    await until(async () => (text = await readFile(fileURLToPath(location), 'utf8').catch(() => null)) !== null);
    return text!;
  }

  it('fetches the input, and puts the result where it said', async () => {
    const InputLocation = await bring('rows.csv', 'hour,a,b\n0,1,2\n0,3,4\n');
    const answer = await invoke({ InputLocation, InferenceId: 'async-1', CustomAttributes: 'x' });
    expect(answer).toMatchObject({ InferenceId: 'async-1', $metadata: { httpStatusCode: 202 } });
    expect(answer.OutputLocation).toBe(pathToFileURL(join(place, 'demand', 'async-1.out')).href);
    expect(await fetched(answer.OutputLocation!)).toBe('21\n43\n');
    expect((await get<Job>(`${gateway.url}/v2/jobs/async-1`)).body).toMatchObject({ progress: { rows: 2 } });
  });

  it.each([
    ['text/csv', '0,1,2\n0,3,4', 'application/json', '{"predictions":[21,43]}'],
    ['application/json', '{"instances":[[0,1,2],[0,3,4]]}', undefined, '{"predictions":[21,43]}'],
    ['application/json', '{"instances":[[0,1,2]]}', 'text/csv', '21\n'],
    ['application/jsonlines', '[0,1,2]\n[0,3,4]', undefined, '21\n43\n'],
  ])('takes %s in the body: %s', async (...[ContentType, text, Accept, expected]) => {
    const answer = await invoke({
      ContentType,
      Accept,
      Body: Buffer.from(text),
      S3OutputPathExtension: 'team/a',
      Filename: `${expected.length}.out`,
    });
    expect(answer.OutputLocation).toContain('/demand/team/a/');
    expect(await fetched(answer.OutputLocation!)).toBe(expected);
  });

  it('answers tensors with tensors', async () => {
    const { OutputLocation } = await invoke({
      ContentType: 'application/json',
      Body: Buffer.from(
        JSON.stringify(
          pairs([
            [1, 2],
            [3, 4],
          ]),
        ),
      ),
    });
    expect(JSON.parse(await fetched(OutputLocation!))).toMatchObject({
      model_name: 'demand',
      model_version: '1.0.0',
      outputs: [{ name: 'value', shape: [2], datatype: 'FP32', data: [21, 43] }],
    });
  });

  it('puts a failure where it said', async () => {
    const wrong = await invoke({ Body: Buffer.from('0,x,2') });
    expect(JSON.parse(await fetched(wrong.FailureLocation!))).toMatchObject({
      ErrorCode: 'ValidationError',
      Message: expect.stringContaining('"x"') as string,
    });
    const failing = await invoke({ EndpointName: 'failing', Body: Buffer.from('0,500,2') });
    expect(JSON.parse(await fetched(failing.FailureLocation!))).toMatchObject({ ErrorCode: 'ModelError', OriginalStatusCode: 500 });
    const absent = await invoke({ InputLocation: pathToFileURL(join(place, 'nothing')).href });
    expect(JSON.parse(await fetched(absent.FailureLocation!))).toMatchObject({
      Message: expect.stringContaining('there is nothing') as string,
    });
  });

  it('reads nothing outside of its place', async () => {
    await writeFile(join(stage.folder, 'secret.csv'), '0,1,2');
    await mkdir(place, { recursive: true });
    await symlink(join(stage.folder, 'secret.csv'), join(place, 'link.csv'));
    const locations = [
      pathToFileURL(join(stage.folder, 'secret.csv')).href,
      `${pathToFileURL(place).href}/../secret.csv`,
      `${pathToFileURL(place).href}/%2e%2e/secret.csv`,
      pathToFileURL(join(place, 'link.csv')).href,
      's3://bucket/secret.csv',
      'http://169.254.169.254/latest/meta-data',
    ];
    for (const InputLocation of locations) {
      const { FailureLocation } = await invoke({ InputLocation });
      expect(JSON.parse(await fetched(FailureLocation!)), InputLocation).toMatchObject({
        Message: expect.stringContaining('is not below') as string,
      });
    }
  });

  it('refuses what it cannot take', async () => {
    const failed = (more: object) =>
      invoke(more).then(
        () => expect.fail('it was taken'),
        (error: unknown) => error,
      );
    expect(await failed({})).toBeInstanceOf(ValidationError);
    expect(await failed({ Body: Buffer.from('0,1,2'), InputLocation: 'file:///x' })).toBeInstanceOf(ValidationError);
    expect(await failed({ Body: Buffer.alloc(128_001) })).toBeInstanceOf(ValidationError);
    expect(await failed({ Body: Buffer.from('0,1,2'), Filename: '..' })).toBeInstanceOf(ValidationError);
    expect(await failed({ Body: Buffer.from('0,1,2'), EndpointName: 'nothing' })).toBeInstanceOf(ValidationError);
  });

  it('works with locations in S3', { timeout: 30_000 }, async () => {
    const s3 = await startS3();
    try {
      const access = { endpoint: s3.url, region: 'us-east-1', credentials: s3Credentials };
      await fetch(`${s3.url}/async`, { method: 'PUT' });
      const store = await openNamedObjects({ location: 's3://async/calls', ...access });
      const input = join(stage.folder, 'to-bring.csv');
      await writeFile(input, '0,1,2\n');
      await store.putFile('in/rows.csv', input, 'text/csv');
      const own = await stage.start({ folder: join(stage.folder, 'with-s3') }, { named: store });
      const its = clientOf(own.url);
      const { OutputLocation } = await its.send(
        new InvokeEndpointAsyncCommand({
          EndpointName: 'demand',
          ContentType: 'text/csv',
          InputLocation: 's3://async/calls/in/rows.csv',
          InferenceId: 'in-s3',
        }),
      );
      expect(OutputLocation).toBe('s3://async/calls/demand/in-s3.out');
      await ended('in-s3', own);
      const result = join(stage.folder, 'fetched.csv');
      await store.getFile(OutputLocation!, result, 1_000);
      expect(await readFile(result, 'utf8')).toBe('21\n');
      await expect(store.getFile('s3://other/calls/in/rows.csv', result, 1_000)).rejects.toThrow('is not below');
      await expect(store.getFile('s3://async/calls/none', result, 1_000)).rejects.toThrow('there is nothing');
      await expect(store.getFile(OutputLocation!, result, 1)).rejects.toThrow('at most 1');
      its.destroy();
    } finally {
      await s3.stop();
    }
  });
});
