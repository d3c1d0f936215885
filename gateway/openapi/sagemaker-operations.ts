import type { Operation } from './operation.js';
import { asJson } from './operation.js';
import { ref } from './schemas.js';

const rows = {
  'application/json': { oneOf: [ref('InferenceRequest'), ref('Rows')] },
  'text/csv': { type: 'string' },
  'application/jsonlines': { type: 'string' },
} as const;

const headers = {
  'X-Amzn-SageMaker-Target-Variant': 'A version, or a part in the route: champion, challenger',
  'X-Amzn-SageMaker-Target-Model': 'Another model than the one in the path',
  'X-Amzn-SageMaker-Inference-Id': "The prediction's id",
  'X-Amzn-SageMaker-Session-Id': 'Sticky key of the caller; NEW_SESSION begins one',
  'X-Amzn-SageMaker-Custom-Attributes': 'Comes back with the answer; at most 1,024 characters',
};

const runtime = { tag: 'sagemaker', request: rows, headers, sagemakerErrors: true } as const;

const predicted = {
  200: { ...asJson(ref('Anything')), 'text/csv': { type: 'string' }, 'application/jsonlines': { type: 'string' } },
} as const;

/** SageMaker's runtime and what its clients call. */
export const sagemakerOperations = {
  invocations: {
    ...runtime,
    summary: 'InvokeEndpoint',
    answers: { 200: { ...asJson(ref('Anything')), 'text/csv': { type: 'string' }, 'application/jsonlines': { type: 'string' } } },
  },
  invocationsStream: {
    ...runtime,
    summary: 'InvokeEndpointWithResponseStream',
    answers: { 200: { 'application/vnd.amazon.eventstream': { type: 'string', format: 'binary' } } },
  },
  invocationsAsync: {
    ...runtime,
    summary: 'InvokeEndpointAsync',
    request: asJson(ref('Anything')),
    optionalBody: true,
    answers: { 202: asJson(ref('Anything')) },
  },
  ping: { tag: 'sagemaker', summary: 'Whether this container can answer', answers: { 200: asJson(ref('Anything')) } },
  containerInvocations: { ...runtime, sagemakerErrors: false, summary: 'Predict in a container of one model', answers: predicted },
  containerInvoke: { ...runtime, sagemakerErrors: false, summary: 'Predict in a container of many models', answers: predicted },
  containerModels: { tag: 'sagemaker', summary: 'Models of a container, by pages', answers: { 200: asJson(ref('Anything')) } },
  containerModel: { tag: 'sagemaker', summary: 'A model of a container', answers: { 200: asJson(ref('Anything')) } },
  containerLoad: {
    tag: 'sagemaker',
    summary: 'Load a model from the folder of its package',
    request: asJson(ref('Anything')),
    answers: { 200: asJson(ref('Anything')) },
  },
  containerUnload: { tag: 'sagemaker', summary: 'Unload a model', answers: { 200: asJson(ref('Anything')) } },
} satisfies Record<string, Operation>;
