import type { IncomingHttpHeaders } from 'node:http';
import { modelOfTarget, multiModelEndpoint } from '../sagemaker/invocation-target.js';
import type { Endpoint } from './endpoint.js';

/** Who knows models that neither a path nor a header names. */
export type UnnamedModels = {
  /** The model of a job; null for a job that is not known. */
  readonly modelOfJob: (job: string) => string | null;
  /** The only model of a SageMaker container; null where there is no such. */
  readonly only: string | null;
};

/** The model that a request is about, whether its path, its headers, a job or the container names it; null for none. */
export function calledModel(endpoint: Endpoint, headers: IncomingHttpHeaders, { modelOfJob, only }: UnnamedModels): string | null {
  if (endpoint.kind === 'containerInvocations') return only;
  if ('job' in endpoint) return modelOfJob(endpoint.job);
  if (!('model' in endpoint)) return null;
  const isInvocation = endpoint.kind === 'invocations' || endpoint.kind === 'invocationsStream' || endpoint.kind === 'invocationsAsync';
  if (!isInvocation || endpoint.model !== multiModelEndpoint) return endpoint.model;
  const named = headers['x-amzn-sagemaker-target-model'] ?? headers['x-amzn-sagemaker-inference-component'];
  return typeof named === 'string' ? modelOfTarget(named).model : null;
}
