import type { Context, MiddlewareHandler } from 'hono';
import { sameToken } from '../../adapters/keys/api-token.js';
import type { ApiDeps } from './api-deps.js';

type Denial = { readonly status: 401 | 403; readonly type: string; readonly message: string };

/** Routes that anybody on an allowed Host may call: they tell that the process lives and nothing else. */
const open: ReadonlySet<string> = new Set(['/api/health']);

/**
 * Lets a call through when its Host is exactly one of ours, its Origin (browsers send one) is ours too, and it shows the
 * token. Host and Origin count on loopback as well: otherwise any web page could approve through the visitor's browser.
 * Every denied call is audited with its route and the actor it claims to be.
 */
export function access({ hosts, token, registry, log }: Pick<ApiDeps, 'hosts' | 'token' | 'registry' | 'log'>): MiddlewareHandler {
  return async (c, next) => {
    const denial = judge(c, hosts(), token);
    if (denial === null) return await next();
    await registry
      .writeAudit({
        model: null,
        action: 'api.denied',
        by: claimedActor(c),
        outcome: 'refused',
        reason: denial.message,
        details: { method: c.req.method, route: c.req.path.slice(0, 300), status: denial.status },
      })
      // A denial stands whether or not it could be written down.
      .catch((error: unknown) => log?.(`a denied call could not be audited: ${String(error)}`));
    const error = { type: denial.type, message: denial.message, details: { status: denial.status } };
    return c.json({ error }, denial.status, denial.status === 401 ? { 'www-authenticate': 'Bearer realm="perennial"' } : {});
  };
}

function judge(c: Context, hosts: readonly string[], token: string): Denial | null {
  const host = (c.req.header('host') ?? '').toLowerCase();
  if (!hosts.includes(host))
    return forbidden(`Host "${host.slice(0, 200)}" is not one that this API answers for: add it to PERENNIAL_API_HOSTS.`);
  const origin = c.req.header('origin');
  if (origin !== undefined && !hosts.some((known) => origin === `http://${known}` || origin === `https://${known}`))
    return forbidden(`Origin "${origin.slice(0, 200)}" may not call this API.`);
  const site = c.req.header('sec-fetch-site');
  if (site === 'cross-site' || site === 'same-site') return forbidden('A page of another site may not call this API.');
  if (open.has(c.req.path)) return null;
  const shown = /^Bearer ([^\s]+)$/.exec(c.req.header('authorization') ?? '')?.[1];
  if (shown === undefined)
    return unauthorised('This call shows no token: send "Authorization: Bearer <token>" with the token of .perennial/token.');
  return sameToken(shown, token) ? null : unauthorised('The token is not the one of this environment: it is in .perennial/token.');
}

const forbidden = (message: string): Denial => ({ status: 403, type: 'Forbidden', message });
const unauthorised = (message: string): Denial => ({ status: 401, type: 'Unauthorized', message });

/** Whom the caller says to be. Nothing of it is believed. */
function claimedActor(c: Context): string {
  const claimed = c.req.header('x-perennial-by')?.trim().slice(0, 200);
  return claimed === undefined || claimed === '' ? 'unknown' : claimed;
}
