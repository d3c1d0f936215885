import type { IncomingHttpHeaders } from 'node:http';
import { modelOfTarget, multiModelEndpoint } from '../sagemaker/invocation-target.js';
import type { Endpoint } from './endpoint.js';

/** The model that a request is about, whether its path, its headers or a job names it; null for none. */
export function calledModel(endpoint: Endpoint, headers: IncomingHttpHeaders, modelOfJob: (job: string) => string | null): string | null {
  if ('job' in endpoint) return modelOfJob(endpoint.job);
  if (!('model' in endpoint)) return null;
  const isInvocation = endpoint.kind === 'invocations' || endpoint.kind === 'invocationsStream' || endpoint.kind === 'invocationsAsync';
  if (!isInvocation || endpoint.model !== multiModelEndpoint) return endpoint.model;
  const named = headers['x-amzn-sagemaker-target-model'] ?? headers['x-amzn-sagemaker-inference-component'];
  return typeof named === 'string' ? modelOfTarget(named).model : null;
}
