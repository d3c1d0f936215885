import type { BodyReader } from '../oip/body-reader.js';
import type { LargeBody } from '../oip/large-body.js';
import type { Invocation } from './invocation-headers.js';
import type { Format, RequestBody } from './request-body.js';
import { bytesToRead, readRequestBody } from './request-body.js';
import type { InvocationCall } from './sagemaker-endpoint.js';

export type OpenDeps = { readonly bodies: BodyReader; readonly maxJsonDepth: number };

/** The body of a call: read as far as that goes without a version, or, where it is large, not at all yet. Throws a `RequestError`. */
export function openBody(
  { bodies, maxJsonDepth }: OpenDeps,
  { body, headers }: Pick<InvocationCall, 'body' | 'headers'>,
  { contentType }: Invocation,
): RequestBody | LargeBody<Format> {
  const taken = { body, contentType, headLength: headers['inference-header-content-length'], maxJsonDepth };
  const large = bodies.isLarge(body.length) && bodies.isLarge(bytesToRead(taken));
  return large ? bodies.large<Format>({ kind: 'invocation', contentType, headLength: taken.headLength }, body) : readRequestBody(taken);
}
