import assert from 'node:assert/strict';
import {
  InvokeEndpointAsyncCommand,
  InvokeEndpointCommand,
  InvokeEndpointWithResponseStreamCommand,
  ModelError,
  SageMakerRuntimeClient,
  ValidationError,
} from '@aws-sdk/client-sagemaker-runtime';
import type { Case, Suite, Target } from './suites.js';

/** The AWS SDK for JavaScript, its endpoint changed and nothing else. */
export const awsSdkJs: Suite = {
  name: 'aws-sdk-js',
  what: 'the AWS SDK for JavaScript, @aws-sdk/client-sagemaker-runtime',
  runs: { kind: 'here', run },
};

type Check = (client: SageMakerRuntimeClient) => Promise<void>;

const row = Buffer.from(JSON.stringify({ instances: [[1, 0, 0, 0]] }));
const json = { EndpointName: 'iris', ContentType: 'application/json', Body: row };
const near = (text: string): number[] =>
  (JSON.parse(text) as { predictions: number[][] }).predictions[0]!.map((value) => Number(value.toFixed(3)));

const checks: Readonly<Record<string, Check>> = {
  'InvokeEndpoint answers JSON, names the variant, echoes the custom attributes': async (client) => {
    const answer = await client.send(new InvokeEndpointCommand({ ...json, CustomAttributes: 'trace=7', InferenceId: 'call-1' }));
    assert.deepEqual(near(Buffer.from(answer.Body).toString('utf8')), [0, 0.1, 0.2]);
    assert.equal(answer.InvokedProductionVariant, 'champion');
    assert.equal(answer.CustomAttributes, 'trace=7');
    assert.equal(answer.ContentType, 'application/json');
  },
  'InvokeEndpoint answers CSV': async (client) => {
    const answer = await client.send(
      new InvokeEndpointCommand({ ...json, ContentType: 'text/csv', Body: Buffer.from('1,0,0,0\n0,1,0,0') }),
    );
    assert.equal(Buffer.from(answer.Body).toString('utf8').trim().split('\n').length, 2);
    assert.equal(answer.ContentType?.split(';')[0], 'text/csv');
  },
  'InvokeEndpoint opens a session': async (client) => {
    const answer = await client.send(new InvokeEndpointCommand({ ...json, SessionId: 'NEW_SESSION' }));
    assert.match(answer.NewSessionId ?? '', /; Expires=\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/);
  },
  'a bad request is a ValidationError': async (client) => {
    await assert.rejects(client.send(new InvokeEndpointCommand({ ...json, Body: Buffer.from('{') })), ValidationError);
  },
  'an unknown endpoint is a ValidationError': async (client) => {
    await assert.rejects(client.send(new InvokeEndpointCommand({ ...json, EndpointName: 'nobody' })), ValidationError);
  },
  'a model that fails is a ModelError 424 with its own status and message': async (client) => {
    const body = Buffer.from(JSON.stringify({ instances: [[500, 0]] }));
    const error: unknown = await client
      .send(new InvokeEndpointCommand({ ...json, EndpointName: 'failing', Body: body }))
      .catch((e: unknown) => e);
    assert(error instanceof ModelError);
    assert.equal(error.$metadata.httpStatusCode, 424);
    assert.equal(error.OriginalStatusCode, 500);
    assert(error.OriginalMessage);
  },
  'InvokeEndpointWithResponseStream gives payload parts': async (client) => {
    const body = Buffer.from(
      JSON.stringify({
        instances: [
          [1, 0, 0, 0],
          [0, 1, 0, 0],
        ],
      }),
    );
    const answer = await client.send(new InvokeEndpointWithResponseStreamCommand({ ...json, Body: body }));
    let text = '';
    for await (const event of answer.Body ?? []) text += Buffer.from(event.PayloadPart?.Bytes ?? []).toString('utf8');
    assert.notEqual(text, '');
  },
  'InvokeEndpointAsync says where the result and the failure will be': async (client) => {
    const call = { EndpointName: 'iris', InputLocation: 'file:///nowhere/input.json', ContentType: 'application/json' };
    const answer = await client.send(new InvokeEndpointAsyncCommand(call));
    assert.match(answer.OutputLocation ?? '', /\/iris\/.+\.out$/);
    assert.match(answer.FailureLocation ?? '', /\/iris\/failures\//);
    assert(answer.InferenceId);
  },
};

async function* run({ http }: Target): AsyncGenerator<Case, void> {
  const client = new SageMakerRuntimeClient({
    endpoint: `http://${http}`,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'none' },
  });
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check(client);
      yield { name, outcome: 'passed' };
    } catch (error) {
      yield { name, outcome: 'failed', reason: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
    }
  }
  client.destroy();
}
