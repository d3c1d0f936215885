import type { IncomingHttpHeaders } from 'node:http';
import type { AccessControl } from '../access/access-control.js';
import { refuseOtherSites } from '../access/browser-check.js';
import type { Caller } from '../access/credential.js';
import { calledModel } from './called-model.js';
import type { Endpoint } from './endpoint.js';
import { accessOf } from './routes.js';

/** What callers are checked against. `modelOfJob` answers null for a job that is not known. */
export type Callers = {
  readonly access: AccessControl;
  readonly hosts: readonly string[];
  readonly modelOfJob: (job: string) => string | null;
};

/**
 * Lets an HTTP request through when its caller may make it; null for what everybody may call. A promise only for a key
 * or token that was not seen before. Throws (or rejects with) a `RequestError`.
 */
export function checkCaller(
  { access, hosts, modelOfJob }: Callers,
  endpoint: Endpoint,
  headers: IncomingHttpHeaders,
): Caller | null | Promise<Caller> {
  const needed = accessOf(endpoint);
  if (needed === 'open') return null;
  if (needed === 'admin' || endpoint.kind === 'labels') refuseOtherSites(headers, { open: access.open, hosts });
  if (access.open) return null;
  const apiKey = headers['x-api-key'];
  return access.check({
    authorization: headers.authorization,
    apiKey: typeof apiKey === 'string' ? apiKey : undefined,
    role: needed,
    model: calledModel(endpoint, headers, modelOfJob),
  });
}
