import {
  InvokeEndpointCommand,
  InvokeEndpointWithResponseStreamCommand,
  ModelError,
  SageMakerRuntimeClient,
  ServiceUnavailable,
  ValidationError,
} from '@aws-sdk/client-sagemaker-runtime';
import type { InvokeEndpointCommandInput, ResponseStream } from '@aws-sdk/client-sagemaker-runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { post, until } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;
let client: SageMakerRuntimeClient;

beforeAll(async () => {
  for (const onnx of ['not-a-number', 'failing']) {
    await stage.addLive({ model: onnx, version: '1.0.0', onnx });
  }
  await stage.addFixture('mixed');
  stage.registry.setRoute({ model: 'dark', variants: [] });
  gateway = await stage.serve(
    [
      { model: 'demand', version: '1.0.0', onnx: 'linear' },
      { model: 'demand', version: '1.0.1', onnx: 'linear-plus-1000' },
    ],
    {
      variants: [
        { version: '1.0.0', weight: 0.5 },
        { version: '1.0.1', weight: 0.5 },
      ],
    },
  );
  // Nothing but the endpoint is changed; the signature that it makes is not looked at on loopback.
  client = new SageMakerRuntimeClient({
    endpoint: gateway.url,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'none' },
    maxAttempts: 1,
  });
});
afterAll(() => client.destroy());

const champion = { TargetVariant: 'champion' };

async function invoke(body: unknown, more: Partial<InvokeEndpointCommandInput> = {}) {
  const answer = await client.send(
    new InvokeEndpointCommand({
      EndpointName: 'demand',
      ContentType: 'application/json',
      Body: typeof body === 'string' ? Buffer.from(body) : body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body)),
      ...more,
    }),
  );
  return { ...answer, text: Buffer.from(answer.Body).toString('utf8') };
}

const failed = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => expect.fail('the call was answered'),
    (error: unknown) => error,
  );

describe('InvokeEndpoint by the AWS SDK', () => {
  it('answers JSON instances, says which variant, echoes the custom attributes, and has a request id', async () => {
    const answer = await invoke({ instances: [[0, 1, 2]] }, { ...champion, CustomAttributes: 'trace=1 of 2', InferenceId: 'trip-1' });
    expect(answer.text).toBe('{"predictions":[21]}');
    expect(answer).toMatchObject({
      ContentType: 'application/json',
      InvokedProductionVariant: 'champion',
      CustomAttributes: 'trace=1 of 2',
    });
    expect(answer.$metadata.requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('gives the predictions the inference id', async () => {
    const inputs = ['hour', 'a', 'b'].map((name) => ({ name, datatype: name === 'hour' ? 'INT64' : 'FP64', shape: [1], data: [1] }));
    const { text } = await invoke({ inputs }, { ...champion, InferenceId: 'trip-7' });
    expect(JSON.parse(text)).toMatchObject({ outputs: [{ data: [11] }], parameters: { prediction_ids: 'trip-7' } });
  });

  it.each([
    ['text/csv', '0,1,2\n0,3,4\n', '21\n43\n'],
    ['application/jsonlines', '[0,1,2]\n{"features":[0,3,4]}\n\n{"hour":0,"a":5,"b":6}', '21\n43\n65\n'],
  ])('answers %s in its own form', async (type, body, answered) => {
    const answer = await invoke(body, { ...champion, ContentType: type });
    expect(answer.text).toBe(answered);
    expect(answer.ContentType?.split(';')[0]).toBe(type);
  });

  it('answers in the form that is accepted', async () => {
    const rows = { ...champion, ContentType: 'text/csv' };
    expect((await invoke('0,1,2', { ...rows, Accept: 'application/json' })).text).toBe('{"predictions":[21]}');
    expect((await invoke('0,1,2', { ...rows, Accept: 'application/jsonlines' })).text).toBe('21\n');
    expect((await invoke('0,1,2', { ...rows, Accept: 'image/png, text/csv' })).text).toBe('21\n');
    expect((await invoke('0,1,2', { ...rows, Accept: '*/*' })).text).toBe('21\n');
    expect(await failed(invoke('0,1,2', { ...rows, Accept: 'image/png' }))).toBeInstanceOf(ValidationError);
  });

  it('takes and gives NumPy arrays', async () => {
    const array = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", new Float64Array([0, 1, 2, 0, 3, 4]));
    const answer = await invoke(array, { ...champion, ContentType: 'application/x-npy' });
    const bytes = Buffer.from(answer.Body);
    expect(bytes.toString('latin1', 10, 128)).toMatch(/^\{'descr': '<f4', 'fortran_order': False, 'shape': \(2,\), \} +\n$/);
    expect([bytes.readFloatLE(128), bytes.readFloatLE(132), bytes.length]).toEqual([21, 43, 136]);
    const csv = await invoke(array, { ...champion, ContentType: 'application/x-npy', Accept: 'text/csv' });
    expect(csv.text).toBe('21\n43\n');
    const cut = array.subarray(0, array.length - 1);
    expect(await failed(invoke(cut, { ContentType: 'application/x-npy' }))).toMatchObject({ message: /47 bytes of values/ });
    const fortran = npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }", new Float64Array(6));
    expect(await failed(invoke(fortran, { ContentType: 'application/x-npy' }))).toMatchObject({ message: /Fortran/ });
    expect(await failed(invoke('\x93NUMPY', { ContentType: 'application/x-npy' }))).toBeInstanceOf(ValidationError);
  });

  it("takes and gives binary tensors, as Triton's clients send them through SageMaker", async () => {
    const values = (...of: number[]) => Buffer.from(new Float64Array(of).buffer);
    const hours = Buffer.from(new BigInt64Array([0n, 0n]).buffer);
    const tensor = (name: string, datatype: string) => ({ name, datatype, shape: [2], parameters: { binary_data_size: 16 } });
    const head = Buffer.from(JSON.stringify({ inputs: [tensor('hour', 'INT64'), tensor('a', 'FP64'), tensor('b', 'FP64')] }));
    const body = Buffer.concat([head, hours, values(1, 3), values(2, 4)]);
    const ContentType = `application/vnd.sagemaker-triton.binary+json;json-header-size=${head.length}`;
    expect(JSON.parse((await invoke(body, { ...champion, ContentType })).text)).toMatchObject({ outputs: [{ data: [21, 43] }] });
    const answer = await invoke(body, { ...champion, ContentType, Accept: 'application/octet-stream' });
    const bytes = Buffer.from(answer.Body);
    expect(answer.ContentType).toBe('application/octet-stream');
    expect([bytes.readFloatLE(bytes.length - 8), bytes.readFloatLE(bytes.length - 4)]).toEqual([21, 43]);
    const wrong = `application/vnd.sagemaker-triton.binary+json;json-header-size=${body.length + 1}`;
    expect(await failed(invoke(body, { ContentType: wrong }))).toBeInstanceOf(ValidationError);
  });

  it('goes to the variant or the version that is named, and refuses others', async () => {
    expect((await invoke('0,1,2', { ContentType: 'text/csv', TargetVariant: '1.0.1' })).text).toBe('1021\n');
    const challenger = await invoke('0,1,2', { ContentType: 'text/csv', TargetVariant: 'challenger' });
    expect([challenger.text, challenger.InvokedProductionVariant]).toEqual(['1021\n', 'challenger']);
    expect(await failed(invoke('0,1,2', { ContentType: 'text/csv', TargetVariant: 'blue' }))).toBeInstanceOf(ValidationError);
  });

  it('has all models behind the multi-model endpoint', async () => {
    const multi = { EndpointName: 'multi-model', ContentType: 'text/csv' };
    expect((await invoke('0,1,2', { ...multi, TargetModel: 'demand/1.0.1' })).text).toBe('1021\n');
    expect((await invoke('0,1,2', { ...multi, TargetModel: 'demand.tar.gz', TargetVariant: '1.0.0' })).text).toBe('21\n');
    expect((await invoke('0,1,2', { ...multi, InferenceComponentName: 'demand', TargetVariant: '1.0.0' })).text).toBe('21\n');
    expect(await failed(invoke('0,1,2', multi))).toMatchObject({ name: 'ValidationError', message: /TargetModel/ });
    expect(await failed(invoke('0,1,2', { ...multi, TargetModel: 'nothing' }))).toBeInstanceOf(ValidationError);
    expect(await failed(invoke('0,1,2', { ContentType: 'text/csv', TargetModel: 'mixed' }))).toMatchObject({ message: /multi-model/ });
    expect(await failed(invoke('0,1,2', { ContentType: 'text/csv', InferenceComponentName: 'x' }))).toBeInstanceOf(ValidationError);
  });

  it('refuses what is not here, by name', async () => {
    const csv = { ContentType: 'text/csv' };
    expect(await failed(invoke('0,1,2', { ...csv, EnableExplanations: '`true`' }))).toMatchObject({
      name: 'ValidationError',
      message: /explainer/,
    });
    expect((await invoke('0,1,2', { ...csv, ...champion, EnableExplanations: '`false`' })).text).toBe('21\n');
    expect(await failed(invoke('0,1,2', { ...csv, TargetContainerHostname: 'second' }))).toMatchObject({ message: /container/ });
    expect(await failed(invoke('0,1,2', { ...csv, CustomAttributes: 'x'.repeat(1025) }))).toMatchObject({ message: /at most 1024/ });
    expect((await invoke('0,1,2', { ...csv, ...champion, CustomAttributes: 'x'.repeat(1024) })).CustomAttributes).toHaveLength(1024);
    expect(await failed(invoke('<a/>', { ContentType: 'application/xml' }))).toBeInstanceOf(ValidationError);
  });
});

describe('errors by the AWS SDK', () => {
  const csv = { ContentType: 'text/csv' };

  it('makes a ValidationError of what the caller got wrong', async () => {
    for (const call of [invoke('{'), invoke('0,x,2', csv), invoke('0,1,2', { ...csv, EndpointName: 'nothing' })]) {
      const error = await failed(call);
      expect(error).toBeInstanceOf(ValidationError);
      expect(error).toMatchObject({ $metadata: { httpStatusCode: 400 }, message: expect.stringMatching(/\w{3}/) as string });
    }
  });

  it.each([
    ['not-a-number', '0,-5,2', 'answered NaN'],
    ['failing', '0,500,2', 'the model failed'],
  ])('makes a ModelError of what the model %s did', async (model, row, reason) => {
    const error = await failed(invoke(row, { ...csv, EndpointName: model }));
    expect(error).toBeInstanceOf(ModelError);
    expect(error).toMatchObject({
      OriginalStatusCode: 500,
      OriginalMessage: expect.stringContaining(reason) as string,
      LogStreamArn: '',
      $metadata: { httpStatusCode: 424, requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string },
    });
  });

  it('makes a ServiceUnavailable of a model that is not live yet', async () => {
    const error = await failed(invoke('0,1,2', { ...csv, EndpointName: 'dark' }));
    expect(error).toBeInstanceOf(ServiceUnavailable);
    expect(error).toMatchObject({ $metadata: { httpStatusCode: 503 } });
  });
});

describe('a model that is not in memory', () => {
  it('is a ModelNotReadyException until it is loaded', async () => {
    const cold = await openStage();
    const { url } = await cold.serve([{ model: 'demand', version: '1.0.0', onnx: 'slow' }], {}, { idleUnloadMs: 1, coldWaitMs: 0 });
    const its = new SageMakerRuntimeClient({
      endpoint: url,
      region: 'x',
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      maxAttempts: 1,
    });
    const ask = () =>
      its.send(new InvokeEndpointCommand({ EndpointName: 'demand', ContentType: 'text/csv', Body: Buffer.from('0,1,2') })).then(
        () => 'answered',
        (error: Error & { $metadata: { httpStatusCode: number } }) => `${error.$metadata.httpStatusCode} ${error.name}`,
      );
    await until(async () => (await post<{ state: string }[]>(`${url}/v2/repository/index`, {})).body[0]!.state === 'UNAVAILABLE');
    expect(await ask()).toBe('429 ModelNotReadyException');
    await until(async () => (await ask()) === 'answered');
    its.destroy();
  });
});

describe('sessions by the AWS SDK', () => {
  const ask = (SessionId: string) => invoke({ instances: [[0, 1, 2]] }, { SessionId });

  it('opens one, keeps it with its variant, and closes it', async () => {
    const variants = new Set<string>();
    for (let i = 0; i < 40; i++) {
      const { NewSessionId, InvokedProductionVariant } = await ask('NEW_SESSION');
      const [, id = '', expires = ''] = /^([a-zA-Z0-9](?:-*[a-zA-Z0-9])*);\sExpires=(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z)$/.exec(
        NewSessionId!,
      )!;
      expect(Date.parse(expires)).toBeGreaterThan(Date.now());
      for (let again = 0; again < 2; again++) {
        const answer = await ask(id);
        expect(answer.InvokedProductionVariant).toBe(InvokedProductionVariant);
        expect(answer.NewSessionId).toBeUndefined();
      }
      variants.add(InvokedProductionVariant!);
    }
    expect(variants.size).toBe(2);
    const opened = await invoke({ requestType: 'NEW_SESSION' }, { SessionId: 'NEW_SESSION' });
    const id = opened.NewSessionId!.split(';')[0]!;
    const closed = await invoke({ requestType: 'CLOSE' }, { SessionId: id });
    expect(closed.ClosedSessionId).toBe(id);
    expect(await failed(ask(id))).toMatchObject({ name: 'ValidationError', message: /closed/ });
  });

  it('refuses one that has expired', async () => {
    expect(await failed(ask(`perennial-${'0'.repeat(24)}-${(1).toString(36)}`))).toMatchObject({
      name: 'ValidationError',
      message: /expired/,
    });
  });
});

describe('InvokeEndpointWithResponseStream by the AWS SDK', () => {
  async function stream(body: string, more: Record<string, string> = {}) {
    const answer = await client.send(
      new InvokeEndpointWithResponseStreamCommand({
        EndpointName: 'demand',
        ContentType: 'text/csv',
        TargetVariant: 'champion',
        Body: Buffer.from(body),
        ...more,
      }),
    );
    return { ...answer, parts: partsOf(answer.Body!) };
  }
  async function* partsOf(events: AsyncIterable<ResponseStream>): AsyncGenerator<string> {
    for await (const event of events) yield Buffer.from(event.PayloadPart!.Bytes!).toString('utf8');
  }
  const collect = async (parts: AsyncIterable<string>): Promise<string[]> => {
    const all: string[] = [];
    for await (const part of parts) all.push(part);
    return all;
  };

  it('sends each row as a part, in order', async () => {
    const rows = Array.from({ length: 100 }, (_, i) => `0,${i},0`);
    const answer = await stream(rows.join('\n'), { CustomAttributes: 'x' });
    expect(answer).toMatchObject({ ContentType: 'text/csv; charset=utf-8', InvokedProductionVariant: 'champion', CustomAttributes: 'x' });
    expect(await collect(answer.parts)).toEqual(rows.map((_, i) => `${i}\n`));
  });

  it('sends JSON as lines of JSON', async () => {
    const json = await stream(
      JSON.stringify({
        instances: [
          [0, 1, 2],
          [0, 3, 4],
        ],
      }),
      { ContentType: 'application/json' },
    );
    expect(json.ContentType).toBe('application/jsonlines');
    expect(await collect(json.parts)).toEqual(['21\n', '43\n']);
    const inputs = ['hour', 'a', 'b'].map((name) => ({ name, datatype: name === 'hour' ? 'INT64' : 'FP64', shape: [2], data: [1, 2] }));
    const oip = await collect((await stream(JSON.stringify({ inputs }), { ContentType: 'application/json' })).parts);
    expect(oip.map((part) => (JSON.parse(part) as { outputs: unknown[] }).outputs)).toMatchObject([[{ data: [11] }], [{ data: [22] }]]);
  });

  it('refuses as a plain call does before the first part, and breaks off by name after it', async () => {
    expect(await failed(stream('0,x,2'))).toBeInstanceOf(ValidationError);
    expect(await failed(stream('0,500,2', { EndpointName: 'failing' }))).toBeInstanceOf(ModelError);
    expect(await failed(stream('0,1,2', { SessionId: 'NEW_SESSION' }))).toBeInstanceOf(ValidationError);
    const parts: string[] = [];
    const error = await failed(
      (async () => {
        for await (const part of (await stream('0,1,2\n0,3000,4')).parts) parts.push(part);
      })(),
    );
    expect(parts).toEqual(['21\n']);
    expect(error).toMatchObject({ name: 'ModelStreamError', ErrorCode: 'ValidationError', message: /at most 1000/ });
  });
});

function npy(header: string, values: Float64Array): Buffer {
  const padded = `${header.padEnd(117)}\n`;
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(padded.length, 8);
  return Buffer.concat([head, Buffer.from(padded, 'latin1'), Buffer.from(values.buffer)]);
}
