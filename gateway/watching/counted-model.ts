import type { IncomingHttpHeaders } from 'node:http';
import type { UnnamedModels } from '../http/called-model.js';
import { calledModel } from '../http/called-model.js';
import type { Endpoint } from '../http/endpoint.js';

/** The model that a request counts for, whatever became of it. Null for none, and where what names it cannot be read. */
export function countedModel(models: UnnamedModels, endpoint: Endpoint, headers: IncomingHttpHeaders): string | null {
  try {
    return calledModel(endpoint, headers, models);
  } catch {
    return null;
  }
}
