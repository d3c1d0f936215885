import type { Endpoint } from '../http/endpoint.js';
import type { Operation } from './operation.js';
import { asJson, bytes, events, plain } from './operation.js';
import { sagemakerOperations } from './sagemaker-operations.js';
import { ref } from './schemas.js';

const key = 'Sticky key of the caller: it stays with its variant';
const headLength = 'Bytes of the JSON before the binary tensors; 0 for a body that is the one input';
const inferHeaders = { 'x-perennial-key': key, 'Inference-Header-Content-Length': headLength };
const inferAnswer = { ...asJson(ref('InferenceResponse')), ...bytes };
const repository = { tag: 'repository', request: asJson(ref('RepositoryCall')), optionalBody: true } as const;

/** What the document says of each kind of endpoint. A kind without words does not compile. */
export const operations: Readonly<Record<Endpoint['kind'], Operation>> = {
  ...sagemakerOperations,
  server: { tag: 'health', summary: 'Name, version and extensions of the server', answers: { 200: asJson(ref('ServerMetadata')) } },
  root: { tag: 'health', summary: 'The same as KServe tells it', answers: { 200: asJson(ref('Alive')) } },
  live: { tag: 'health', summary: 'Whether the process answers', answers: { 200: asJson(ref('Live')) } },
  ready: {
    tag: 'health',
    summary: 'Whether every model that has a route can be answered',
    answers: { 200: asJson(ref('Ready')), 503: asJson(ref('Ready')) },
  },
  models: { tag: 'models', summary: 'Names of the served models', answers: { 200: asJson(ref('Models')) } },
  model: { tag: 'models', summary: 'Inputs, outputs and versions of a model', answers: { 200: asJson(ref('ModelMetadata')) } },
  modelReady: {
    tag: 'models',
    summary: 'Whether a model or a version can be answered',
    answers: { 200: asJson(ref('ModelReady')), 503: asJson(ref('ModelReady')) },
  },
  modelConfig: { tag: 'models', summary: "A version's ModelConfig as Triton has it", answers: { 200: asJson(ref('ModelConfig')) } },
  statistics: { tag: 'models', summary: 'What the versions of a model have answered', answers: { 200: asJson(ref('Statistics')) } },
  allStatistics: { tag: 'models', summary: 'What every version has answered', answers: { 200: asJson(ref('Statistics')) } },
  infer: {
    tag: 'inference',
    summary: 'Predict, with JSON or binary tensors',
    request: { ...asJson(ref('InferenceRequest')), ...bytes },
    headers: inferHeaders,
    answers: { 200: inferAnswer },
  },
  inferStream: {
    tag: 'inference',
    summary: 'Predict row by row: an event as soon as each is answered',
    request: { ...asJson(ref('InferenceRequest')), 'application/x-ndjson': { type: 'string' } },
    headers: { 'x-perennial-key': key },
    answers: { 200: events },
  },
  generate: {
    tag: 'inference',
    summary: "Predict from one JSON object whose keys are the model's inputs",
    request: asJson(ref('GenerateRequest')),
    headers: { 'x-perennial-key': key },
    answers: { 200: asJson(ref('GenerateResponse')) },
  },
  generateStream: {
    tag: 'inference',
    summary: 'The same, answered as events',
    request: asJson(ref('GenerateRequest')),
    headers: { 'x-perennial-key': key },
    answers: { 200: events },
  },
  labels: {
    tag: 'inference',
    summary: 'Tell what really happened, by prediction id or by subject',
    request: asJson(ref('Labels')),
    answers: { 200: asJson(ref('LabelOutcomes')) },
  },
  route: { tag: 'operations', summary: "How a model's traffic goes here, now", answers: { 200: asJson(ref('Route')) } },
  flush: { tag: 'operations', summary: 'Wait until every capture is stored', optionalBody: true, answers: { 200: asJson(ref('Flushed')) } },
  metrics: { tag: 'operations', summary: 'Prometheus metrics', answers: { 200: plain } },
  openapi: { tag: 'operations', summary: 'This document', answers: { 200: asJson(ref('Anything')) } },
  logSettings: { tag: 'operations', summary: 'Which lines the log gets', answers: { 200: asJson(ref('LogSettings')) } },
  changeLogSettings: {
    tag: 'operations',
    summary: 'Change which lines the log gets',
    request: asJson(ref('LogSettingsChange')),
    answers: { 200: asJson(ref('LogSettings')) },
  },
  traceSettings: { tag: 'operations', summary: 'Which requests are traced', answers: { 200: asJson(ref('TraceSettings')) } },
  changeTraceSettings: {
    tag: 'operations',
    summary: 'Change which requests are traced',
    request: asJson(ref('TraceSettingsChange')),
    answers: { 200: asJson(ref('TraceSettings')) },
  },
  sharedMemory: { tag: 'operations', summary: 'Shared memory is not taken: always 501', optionalBody: true, answers: {} },
  repositoryIndex: {
    ...repository,
    summary: 'Every version that is known, with its state',
    request: asJson(ref('RepositoryIndexRequest')),
    answers: { 200: asJson(ref('RepositoryIndex')) },
  },
  repositoryLoad: { ...repository, summary: 'Load a model or a version', answers: { 200: asJson(ref('RepositoryDone')) } },
  repositoryUnload: { ...repository, summary: 'Unload a model or a version', answers: { 200: asJson(ref('RepositoryDone')) } },
  submitJob: {
    tag: 'jobs',
    summary: 'Hand in many rows to be predicted between live requests',
    request: { ...asJson(ref('Anything')), 'application/jsonlines': { type: 'string' }, 'text/csv': { type: 'string' } },
    headers: { 'Idempotency-Key': 'Id of the job: the same one with the same body is the same job' },
    answers: { 200: asJson(ref('Job')), 202: asJson(ref('Job')) },
  },
  job: { tag: 'jobs', summary: 'State and progress of a job', answers: { 200: asJson(ref('Job')) } },
  jobResult: {
    tag: 'jobs',
    summary: 'The predictions of a job that has ended, one a line',
    answers: { 200: { 'application/x-ndjson': { type: 'string' } } },
  },
  deleteJob: { tag: 'jobs', summary: 'Cancel a job, or forget one that has ended', answers: { 200: asJson(ref('Job')) } },
  v1Models: { tag: 'v1', summary: 'Names of the served models', answers: { 200: asJson(ref('Models')) } },
  v1Status: { tag: 'v1', summary: 'State of the versions of a model', answers: { 200: asJson(ref('ModelStatus')) } },
  v1Predict: {
    tag: 'v1',
    summary: 'Predict, by rows or by columns',
    request: asJson({ oneOf: [ref('Rows'), ref('Columns')] }),
    headers: { 'x-perennial-key': key },
    answers: { 200: asJson({ oneOf: [ref('Predictions'), ref('Outputs')] }) },
  },
};
