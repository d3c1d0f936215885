import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Endpoint } from './endpoint.js';
import { RequestError } from './request-error.js';

/** What a load balancer or a scraper asks without a token: nothing of a model is in it. */
const open: ReadonlySet<Endpoint['kind']> = new Set(['live', 'ready']);

/** Throws `unauthenticated` unless the caller shows the gateway's token. Without a token (loopback only) everybody may call. */
export function checkCaller(token: string | null, endpoint: Endpoint, headers: IncomingHttpHeaders): void {
  if (token === null || open.has(endpoint.kind)) return;
  const shown = /^Bearer ([^\s]+)$/.exec(headers.authorization ?? '')?.[1];
  if (shown === undefined)
    throw new RequestError('unauthenticated', 'this gateway wants a token: send the header "Authorization: Bearer <token>"');
  if (!timingSafeEqual(digest(shown), digest(token))) throw new RequestError('unauthenticated', 'the token is not the one of this gateway');
}

const digest = (text: string) => createHash('sha256').update(text).digest();
