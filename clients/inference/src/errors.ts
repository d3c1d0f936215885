/**
 * Why a call has no answer:
 *
 * | kind | when |
 * | --- | --- |
 * | `invalid` | the request breaks the protocol or the model's signature: 400, 413, 415, 422, or found here |
 * | `unauthenticated`, `forbidden` | 401, 403 |
 * | `notFound` | 404: no such model or version |
 * | `rateLimited`, `unavailable` | 429, 503: another try may succeed; it was tried as often as asked |
 * | `notImplemented` | 501 |
 * | `modelFailed` | the model or the server failed: 500 and other 5xx |
 * | `timeout` | no answer in time, here or there (504) |
 * | `cancelled` | the caller's signal |
 * | `unreachable` | nothing listens there, or the connection broke |
 * | `protocol` | what answered does not speak the protocol |
 */
export type InferenceErrorKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'notFound'
  | 'rateLimited'
  | 'unavailable'
  | 'notImplemented'
  | 'modelFailed'
  | 'timeout'
  | 'cancelled'
  | 'unreachable'
  | 'protocol';

export type InferenceErrorDetails = {
  /** HTTP status of the answer, where there was one. */
  readonly status?: number;
  /** After which time the server wants to be asked again. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
};

/** A call without an answer. The message is the server's own where it said one. */
export class InferenceError extends Error {
  readonly kind: InferenceErrorKind;
  readonly status: number | null;
  readonly retryAfterMs: number | null;

  constructor(kind: InferenceErrorKind, message: string, details: InferenceErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'InferenceError';
    this.kind = kind;
    this.status = details.status ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
  }
}

const kinds: Readonly<Record<number, InferenceErrorKind>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'notFound',
  429: 'rateLimited',
  501: 'notImplemented',
  503: 'unavailable',
  504: 'timeout',
};

/** The kind of an answer that is no success. */
export function kindOfStatus(status: number): InferenceErrorKind {
  return kinds[status] ?? (status >= 500 ? 'modelFailed' : 'invalid');
}

/** Whether a call that several wait for failed by the wish of whoever began it: the others may ask themselves. */
export function isOfAnother(error: unknown, own: AbortSignal | undefined): boolean {
  return error instanceof InferenceError && (error.kind === 'cancelled' || error.kind === 'timeout') && own?.aborted !== true;
}
