import type { IncomingHttpHeaders } from 'node:http';
import { calledModel } from '../http/called-model.js';
import type { Endpoint } from '../http/endpoint.js';

/** Who knows models that a path does not name. */
export type CountedModels = {
  /** The model of a job; null for a job that is not known. */
  readonly modelOfJob: (job: string) => string | null;
  /** The only model of a SageMaker container; null where there is no such. */
  readonly only: string | null;
};

/** The model that a request counts for, whatever became of it. Null for none, and where what names it cannot be read. */
export function countedModel({ modelOfJob, only }: CountedModels, endpoint: Endpoint, headers: IncomingHttpHeaders): string | null {
  if (endpoint.kind === 'containerInvocations') return only;
  try {
    return calledModel(endpoint, headers, modelOfJob);
  } catch {
    return null;
  }
}
