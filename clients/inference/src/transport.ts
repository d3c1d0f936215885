import { InferenceError, kindOfStatus } from './errors.js';

export type TransportOptions = {
  readonly headers: Readonly<Record<string, string>>;
  /** For a call with all its tries. */
  readonly timeoutMs: number;
  /** Most tries after the first one, for calls that may be repeated. */
  readonly retries: number;
  /** Wait before the second try; it doubles with each, up to `retryMaxMs`. */
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
};

export type Call = {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Whether it may be sent again: what has no effect, or has the same one. */
  readonly repeatable: boolean;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Sends a call and gives its answer, whatever its status says of success (2xx). 429, 503 and connections that break are tried
 * again: after what `Retry-After` says, else after a time that doubles; each with jitter, so that callers do not come back
 * together. Throws an `InferenceError`.
 */
export async function send(options: TransportOptions, call: Call): Promise<Response> {
  const timeoutMs = call.timeoutMs ?? options.timeoutMs;
  const late = AbortSignal.timeout(timeoutMs);
  const signal = call.signal === undefined ? late : AbortSignal.any([late, call.signal]);
  const endsAt = performance.now() + timeoutMs;
  for (let tries = 0; ; tries++) {
    try {
      return await once(options, call, signal);
    } catch (thrown) {
      const error = errorOf(thrown, { call, late, timeoutMs });
      const waitMs = retryWait(error, { options, tries });
      if (!call.repeatable || waitMs === null || performance.now() + waitMs >= endsAt) throw error;
      await pause(waitMs, signal).catch((cause: unknown) => {
        throw errorOf(cause, { call, late, timeoutMs });
      });
    }
  }
}

async function once(options: TransportOptions, { method, url, headers, body }: Call, signal: AbortSignal): Promise<Response> {
  const answer = await fetch(url, { method, headers: { ...options.headers, ...headers }, ...(body === undefined ? {} : { body }), signal });
  if (answer.ok) return answer;
  const text = await answer.text();
  const retryAfterMs = readRetryAfter(answer.headers.get('retry-after'), Date.now());
  throw new InferenceError(kindOfStatus(answer.status), messageOf(text) ?? `${url.pathname} answered ${answer.status}`, {
    status: answer.status,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  });
}

/** Any failure of a call as an `InferenceError`. */
export function errorOf(thrown: unknown, of: { call: Pick<Call, 'url' | 'signal'>; late: AbortSignal; timeoutMs: number }): InferenceError {
  const { call, late, timeoutMs } = of;
  if (thrown instanceof InferenceError) return thrown;
  if (call.signal?.aborted === true)
    return new InferenceError('cancelled', `the call of ${call.url.pathname} was cancelled`, { cause: thrown });
  if (late.aborted)
    return new InferenceError('timeout', `${call.url.host} did not answer ${call.url.pathname} within ${timeoutMs} ms`, { cause: thrown });
  const { message, cause } = thrown as Error;
  const reason = cause instanceof Error && cause.message !== '' ? cause.message : message;
  return new InferenceError('unreachable', `${call.url.host} cannot be reached: ${reason}`, { cause: thrown });
}

/** How long to wait before the next try; null for none. */
export function retryWait(error: InferenceError, { options, tries }: { options: TransportOptions; tries: number }): number | null {
  if (error.kind !== 'rateLimited' && error.kind !== 'unavailable' && error.kind !== 'unreachable') return null;
  if (tries >= options.retries) return null;
  const grown = Math.min(options.retryMaxMs, options.retryBaseMs * 2 ** tries);
  // Not sooner than asked; without a wish, anywhere up to the grown time.
  return error.retryAfterMs === null ? grown * (0.5 + Math.random() / 2) : error.retryAfterMs + Math.random() * options.retryBaseMs;
}

/** `Retry-After` in seconds or as a date. */
export function readRetryAfter(header: string | null, nowMs: number): number | null {
  if (header === null) return null;
  if (/^\d+(\.\d+)?$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}

/** The server's own words: `{"error":"…"}`, or FastAPI's `detail`. */
function messageOf(text: string): string | null {
  try {
    const { error, detail } = JSON.parse(text) as { error?: unknown; detail?: unknown };
    if (typeof error === 'string') return error;
    return detail === undefined ? null : typeof detail === 'string' ? detail : JSON.stringify(detail);
  } catch {
    return null;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}
