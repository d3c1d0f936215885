import { readEndpoint } from '../http/endpoint.js';
import type { Endpoint } from '../http/endpoint.js';
import { RequestError } from '../http/request-error.js';
import type { RouteCall } from './route-calls.js';

/** The endpoint that a call of gRPC stands for. Throws `notImplemented` for one that this gateway does not have. */
export function askedEndpoint({ method, path }: RouteCall): Endpoint {
  try {
    return readEndpoint(method, path);
  } catch (error) {
    if (!(error instanceof RequestError) || error.kind !== 'notFound') throw error;
    throw new RequestError('notImplemented', `this gateway has nothing for ${method} ${path.slice(0, 200)}, which this call stands for`);
  }
}
