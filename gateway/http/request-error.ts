/**
 * What went wrong with a request, as counted in `model_prediction_errors_total{error_type}`.
 * Names are wire format: they stand in captures too.
 */
export type RequestErrorKind =
  | 'invalidRequest'
  | 'unauthenticated'
  | 'forbidden'
  | 'notFound'
  | 'methodNotAllowed'
  | 'conflict'
  | 'noRoom'
  | 'unsupported'
  | 'notImplemented'
  | 'notReady'
  | 'loading'
  | 'overloaded'
  | 'rateLimited'
  | 'timeout'
  | 'expired'
  | 'cancelled'
  | 'inferenceFailed'
  | 'notFinite'
  | 'internal';

const statusOf: Record<RequestErrorKind, number> = {
  invalidRequest: 400,
  unauthenticated: 401,
  forbidden: 403,
  notFound: 404,
  methodNotAllowed: 405,
  conflict: 409,
  noRoom: 507,
  unsupported: 415,
  notImplemented: 501,
  notReady: 503,
  loading: 503,
  overloaded: 503,
  rateLimited: 429,
  timeout: 504,
  expired: 504,
  cancelled: 499,
  inferenceFailed: 500,
  notFinite: 500,
  internal: 500,
};

/** What passes by itself: the same request may be answered in a moment. */
const passing: ReadonlySet<RequestErrorKind> = new Set(['notReady', 'loading', 'overloaded', 'rateLimited']);
const versionFaults: ReadonlySet<RequestErrorKind> = new Set(['inferenceFailed', 'notFinite', 'timeout', 'overloaded', 'loading']);

/** A request that gets no prediction. The message goes to the caller: it names the place and what was expected. */
export class RequestError extends Error {
  readonly kind: RequestErrorKind;
  /** After which time another try may succeed, where that is known. */
  readonly retryAfterMs: number | null;

  constructor(kind: RequestErrorKind, message: string, retryAfterMs: number | null = null) {
    const frames = Error.stackTraceLimit;
    // The caller is told why, and nobody where: under a flood of refusals the stack would be half of what one costs.
    if (kind !== 'internal') Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = frames;
    this.name = 'RequestError';
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
  }

  /** Value of the header `Retry-After`, for an error that passes by itself; null for others. */
  get retryAfter(): string | null {
    if (this.retryAfterMs !== null) return String(Math.max(1, Math.ceil(this.retryAfterMs / 1000)));
    return passing.has(this.kind) ? '1' : null;
  }

  /** Whether the same request may be answered in a moment. */
  get passes(): boolean {
    return passing.has(this.kind);
  }

  /** HTTP status of the Open Inference Protocol answer. */
  get status(): number {
    return statusOf[this.kind];
  }

  /** Whether the version failed and not the request: then another version may still answer. */
  get isVersionFault(): boolean {
    return versionFaults.has(this.kind);
  }
}

/** A path that is there, asked with a method that is not for it. */
export class MethodError extends RequestError {
  /** Value of the header `Allow`: the methods that are. */
  readonly allow: string;

  constructor(message: string, methods: readonly string[]) {
    super('methodNotAllowed', message);
    this.allow = methods.join(', ');
  }
}

/** The error of a request that breaks the protocol or the signature. */
export function invalid(message: string): RequestError {
  return new RequestError('invalidRequest', message);
}
