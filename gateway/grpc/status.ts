import { Metadata, status } from '@grpc/grpc-js';
import type { RequestError, RequestErrorKind } from '../http/request-error.js';

/** How a call ends that is not answered. */
export type CallStatus = { readonly code: status; readonly details: string; readonly metadata?: Metadata };

const codeOf: Record<RequestErrorKind, status> = {
  invalidRequest: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  notFound: status.NOT_FOUND,
  methodNotAllowed: status.UNIMPLEMENTED,
  conflict: status.ALREADY_EXISTS,
  noRoom: status.RESOURCE_EXHAUSTED,
  unsupported: status.UNIMPLEMENTED,
  notImplemented: status.UNIMPLEMENTED,
  notReady: status.UNAVAILABLE,
  loading: status.UNAVAILABLE,
  overloaded: status.RESOURCE_EXHAUSTED,
  rateLimited: status.RESOURCE_EXHAUSTED,
  timeout: status.DEADLINE_EXCEEDED,
  expired: status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  inferenceFailed: status.INTERNAL,
  notFinite: status.INTERNAL,
  internal: status.INTERNAL,
};

/** Details travel percent-encoded in one header, and clients bound the size of those. */
const maxDetails = 1_000;

/** An error as the status of a call. One that passes by itself says after how many milliseconds another try may succeed. */
export function statusOf(error: RequestError): CallStatus {
  const answered: CallStatus = { code: codeOf[error.kind], details: detailsOf(error.message) };
  const { retryAfter } = error;
  if (retryAfter === null) return answered;
  const metadata = new Metadata();
  metadata.set('grpc-retry-pushback-ms', String(Math.ceil(error.retryAfterMs ?? Number(retryAfter) * 1000)));
  return { ...answered, metadata };
}

/** A message that fits into a status. */
export function detailsOf(message: string): string {
  return wellFormed(message.slice(0, maxDetails));
}

/** Text without half surrogate pairs, which cannot be percent-encoded. */
export function wellFormed(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, '\ufffd');
}
