import type { IncomingHttpHeaders } from 'node:http';
import { isAwsSignature } from '../access/aws-signature.js';
import type { Callers } from './caller-check.js';
import { accessCall } from './caller-check.js';
import type { Endpoint } from './endpoint.js';
import type { BodyLimits } from './request-body.js';
import { readPacked, wholeRequest } from './request-body.js';
import type { GatewayRequest } from './whole-request.js';

/** Whether a request's caller is known by its signature; one who shows a key beside it is known by that. */
export function isSigned({ access }: Callers, { authorization, 'x-api-key': apiKey }: IncomingHttpHeaders): boolean {
  return authorization !== undefined && apiKey === undefined && !access.open && isAwsSignature(authorization);
}

/**
 * Lets a signed request through when its caller may make it, and gives it with the body that the signature covers.
 * Rejects with a `RequestError`.
 */
export async function admitSigned(
  { callers, bodies }: { readonly callers: Callers; readonly bodies: BodyLimits },
  endpoint: Endpoint,
  request: GatewayRequest,
): Promise<GatewayRequest> {
  const { method = 'GET', url = '/', headers } = request;
  const call = accessCall(callers, endpoint, headers);
  if (call === null) return request;
  const signed = { method, url, headers, body: () => readPacked(request, bodies) };
  return wholeRequest(request, await callers.access.checkSigned(call, signed), bodies);
}
