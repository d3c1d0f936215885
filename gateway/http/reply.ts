import { PerennialError } from '../../domain/errors.js';
import type { ObservedBody } from '../watching/capture-lines.js';
import { MethodError, RequestError } from './request-error.js';

/** An HTTP answer. `sent` is called when it is on its way, with the body as it was before it was packed. */
export type Reply = {
  readonly status: number;
  readonly contentType: string;
  /** Text, or bytes as they go out. */
  readonly body: string | Uint8Array;
  /** A body made piece by piece, in place of `body`; the signal is aborted when the caller has left. */
  readonly stream?: (left: AbortSignal) => AsyncIterable<string | Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly sent?: (body?: ObservedBody) => void;
  /** Called when an answer that is made piece by piece is over, however it ended. */
  readonly ended?: () => void;
};

/** An answer in JSON. */
export function json(status: number, value: unknown): Reply {
  return { status, contentType: 'application/json', body: JSON.stringify(value) };
}

/** The body of an answer as text, also of one that is made piece by piece. */
export async function bodyText({ body, stream }: Reply): Promise<string> {
  if (stream === undefined) return String(body);
  const pieces: string[] = [];
  for await (const piece of stream(new AbortController().signal))
    pieces.push(typeof piece === 'string' ? piece : Buffer.from(piece).toString('utf8'));
  return pieces.join('');
}

/** Any error as one of the gateway's: what a store refuses is the request's fault, what is away is not. Other errors are `internal`. */
export function requestErrorOf(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  if (error instanceof PerennialError) return new RequestError(error.type === 'Unavailable' ? 'notReady' : 'invalidRequest', error.message);
  return new RequestError('internal', 'the gateway failed to answer; its log says why');
}

/** The error answer of the Open Inference Protocol. */
export function errorReply(error: RequestError): Reply {
  const reply = json(error.status, { error: error.message });
  if (error.status === 401) return { ...reply, headers: { 'WWW-Authenticate': 'Bearer' } };
  if (error instanceof MethodError) return { ...reply, headers: { Allow: error.allow } };
  const { retryAfter } = error;
  return retryAfter === null ? reply : { ...reply, headers: { 'Retry-After': retryAfter } };
}
