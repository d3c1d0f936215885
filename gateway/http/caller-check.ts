import type { IncomingHttpHeaders } from 'node:http';
import type { AccessCall, AccessControl } from '../access/access-control.js';
import { refuseOtherSites } from '../access/browser-check.js';
import type { Caller } from '../access/credential.js';
import type { UnnamedModels } from './called-model.js';
import { calledModel } from './called-model.js';
import type { Endpoint } from './endpoint.js';
import { accessOf } from './routes.js';

/** What callers are checked against. */
export type Callers = { readonly access: AccessControl; readonly hosts: readonly string[]; readonly models: UnnamedModels };

/**
 * Lets an HTTP request through when its caller may make it; null for what everybody may call. A promise only for a key
 * or token that was not seen before. Throws (or rejects with) a `RequestError`.
 */
export function checkCaller(callers: Callers, endpoint: Endpoint, headers: IncomingHttpHeaders): Caller | null | Promise<Caller> {
  const call = accessCall(callers, endpoint, headers);
  return call === null ? null : callers.access.check(call);
}

/** What a request shows and wants; null where everybody may call. Throws a `RequestError` for what pages of other sites send. */
export function accessCall({ access, hosts, models }: Callers, endpoint: Endpoint, headers: IncomingHttpHeaders): AccessCall | null {
  const needed = accessOf(endpoint);
  if (needed === 'open') return null;
  if (needed === 'admin' || endpoint.kind === 'labels') refuseOtherSites(headers, { open: access.open, hosts });
  if (access.open) return null;
  const apiKey = headers['x-api-key'];
  return {
    authorization: headers.authorization,
    apiKey: typeof apiKey === 'string' ? apiKey : undefined,
    role: needed,
    model: calledModel(endpoint, headers, models),
  };
}
