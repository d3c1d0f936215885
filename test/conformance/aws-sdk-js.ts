import assert from 'node:assert/strict';
import {
  InvokeEndpointAsyncCommand,
  InvokeEndpointCommand,
  InvokeEndpointWithResponseStreamCommand,
  ModelError,
  SageMakerRuntimeClient,
  ValidationError,
} from '@aws-sdk/client-sagemaker-runtime';
import type { SageMakerRuntimeClientConfig } from '@aws-sdk/client-sagemaker-runtime';
import type { NewAwsPair } from '../../adapters/keys/gateway-key.js';
import type { Case, SignedCallers, Suite, Target } from './suites.js';

/** The AWS SDK for JavaScript, its endpoint changed and nothing else. */
export const awsSdkJs: Suite = {
  name: 'aws-sdk-js',
  what: 'the AWS SDK for JavaScript, @aws-sdk/client-sagemaker-runtime',
  runs: { kind: 'here', run: ({ http }) => run(clientOf(http, { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'none' }), checks) },
};

/** The same with a pair of the gateway's own, and what it is told when its signature does not count. */
export const awsSdkJsSigned: Suite = {
  name: 'aws-sdk-js-signed',
  what: 'the AWS SDK for JavaScript signing (SigV4) to a gateway with keys',
  signs: true,
  runs: { kind: 'here', run: runSigned },
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

const refusals: Readonly<Record<string, (http: string, pairs: SignedCallers) => Promise<void>>> = {
  'a wrong secret is an InvalidSignatureException': (http, { good, other }) =>
    refused(clientOf(http, { ...good, secretAccessKey: other.secretAccessKey }), 'InvalidSignatureException'),
  'an unknown access key id is an UnrecognizedClientException': (http, { good }) =>
    refused(clientOf(http, { ...good, accessKeyId: 'AKIDEXAMPLE' }), 'UnrecognizedClientException'),
  'a revoked key is an UnrecognizedClientException': (http, { revoked }) => refused(clientOf(http, revoked), 'UnrecognizedClientException'),
  'a key for another model is an AccessDeniedException': (http, { other }) => refused(clientOf(http, other), 'AccessDeniedException'),
  'a body that changed on the way is an InvalidSignatureException': (http, { good }) => {
    const client = clientOf(http, good);
    client.middlewareStack.add(
      (next) => (args) => {
        (args.request as { body: Uint8Array }).body = Buffer.from(row.toString().replace('1', '2'));
        return next(args);
      },
      { step: 'deserialize', priority: 'low' },
    );
    return refused(client, 'InvalidSignatureException');
  },
  'a stale date is an InvalidSignatureException, and the client finds the right one by itself': async (http, { good }) => {
    const late = clientOf(http, good, { systemClockOffset: -3_600_000, maxAttempts: 1 });
    await refused(late, 'InvalidSignatureException');
    const answer = await clientOf(http, good, { systemClockOffset: -3_600_000 }).send(new InvokeEndpointCommand(json));
    assert.equal(answer.$metadata.attempts, 2);
  },
};

async function refused(client: SageMakerRuntimeClient, name: string): Promise<void> {
  const error: unknown = await client.send(new InvokeEndpointCommand(json)).catch((reason: unknown) => reason);
  client.destroy();
  assert(error instanceof Error);
  assert.equal(error.name, name);
  assert.equal((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode, 403);
}

function clientOf(http: string, credentials: NewAwsPair, more: SageMakerRuntimeClientConfig = {}): SageMakerRuntimeClient {
  return new SageMakerRuntimeClient({ endpoint: `http://${http}`, region: 'eu-central-1', credentials, ...more });
}

async function* runSigned({ http, pairs }: Target): AsyncGenerator<Case, void> {
  assert(pairs !== null, 'the gateway has no keys');
  yield* run(clientOf(http, pairs.good), checks);
  for (const [name, check] of Object.entries(refusals)) yield outcomeOf(name, check(http, pairs));
}

async function* run(client: SageMakerRuntimeClient, all: Readonly<Record<string, Check>>): AsyncGenerator<Case, void> {
  for (const [name, check] of Object.entries(all)) yield outcomeOf(name, check(client));
  client.destroy();
}

function outcomeOf(name: string, checked: Promise<void>): Promise<Case> {
  return checked.then(
    () => ({ name, outcome: 'passed' }),
    (error: unknown) => ({ name, outcome: 'failed', reason: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }),
  );
}
