import { randomUUID } from 'node:crypto';
import { SignatureError } from '../access/signature-error.js';
import { json } from '../http/reply.js';
import type { Reply } from '../http/reply.js';
import type { RequestError } from '../http/request-error.js';

/** An error as the AWS SDKs know it: the name that they make a class of, and the fields of its body. */
export type RuntimeError = { readonly status: number; readonly type: string; readonly fields: Readonly<Record<string, string | number>> };

/** What the caller got wrong is a ValidationError, what the model did a ModelError. */
export function runtimeError(error: RequestError): RuntimeError {
  const of = (status: number, type: string, more: Record<string, string | number> = {}): RuntimeError => ({
    status,
    type,
    fields: { ErrorCode: type, Message: error.message, message: error.message, ...more },
  });
  switch (error.kind) {
    case 'inferenceFailed':
    case 'notFinite':
    case 'timeout':
      return of(424, 'ModelError', { OriginalStatusCode: error.status, OriginalMessage: error.message, LogStreamArn: '' });
    case 'notReady':
    case 'overloaded':
    case 'expired':
    case 'cancelled':
      return of(503, 'ServiceUnavailable');
    case 'loading':
      return of(429, 'ModelNotReadyException');
    case 'internal':
      return of(500, 'InternalFailure');
    case 'methodNotAllowed':
      return of(405, 'ValidationError');
    case 'unauthenticated':
      // AWS answers these with 403, whoever they come from.
      return error instanceof SignatureError ? of(403, error.fault) : of(401, 'AccessDeniedException');
    case 'forbidden':
      return of(403, 'AccessDeniedException');
    case 'rateLimited':
      return of(429, 'ThrottlingException');
    case 'invalidRequest':
    case 'notFound':
    case 'conflict':
    case 'noRoom':
    case 'unsupported':
    case 'notImplemented':
      return of(400, 'ValidationError');
  }
}

/** The error answer of SageMaker's runtime, in the form of AWS's REST-JSON protocol. */
export function invocationError(error: RequestError): Reply {
  const { status, type, fields } = runtimeError(error);
  const headers = { 'x-amzn-ErrorType': type, 'x-amzn-RequestId': randomUUID() };
  return { ...json(status, fields), headers: error.retryAfter === null ? headers : { ...headers, 'Retry-After': error.retryAfter } };
}
