import { type FailureType, PerennialError } from '../../domain/errors.js';

export type HttpCall = {
  /** What is asked, for messages: `the control API`. */
  readonly what: string;
  readonly url: URL;
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly timeoutMs?: number;
};

/**
 * One request and its JSON answer. A refusal by status becomes the failure that the other side names (`details.status`
 * holds the status); `Unavailable` when nothing answers.
 */
export async function httpJson<T>({ what, url, method = 'GET', headers = {}, body, timeoutMs = 30_000 }: HttpCall): Promise<T> {
  const response = await reached({ what, url }, () =>
    fetch(url, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    }),
  );
  return await answerOf<T>(response, { what, url });
}

/** The JSON of an answer; a refusal as `httpJson` throws it. */
export async function answerOf<T>(response: Response, { what, url }: Pick<HttpCall, 'what' | 'url'>): Promise<T> {
  const text = await reached({ what, url }, () => response.text());
  const answer = parse(text);
  if (!response.ok) throw refusal({ what, url }, response.status, answer ?? text);
  if (answer === undefined) {
    throw new PerennialError('Unavailable', `${capital(what)} at ${url.origin} did not answer with JSON: is it another program?`, {
      details: { url: url.href },
    });
  }
  return answer as T;
}

/** One request whose answer is bytes; refusals are those of `httpJson`. */
export async function httpBytes({ what, url, headers = {}, timeoutMs = 300_000 }: HttpCall): Promise<Uint8Array> {
  const response = await reached({ what, url }, () => fetch(url, { headers, signal: AbortSignal.timeout(timeoutMs) }));
  const bytes = await reached({ what, url }, () => response.arrayBuffer());
  if (response.ok) return new Uint8Array(bytes);
  const text = Buffer.from(bytes).toString('utf8');
  throw refusal({ what, url }, response.status, parse(text) ?? text);
}

/** Does `work`; `Unavailable` when nothing answers. */
export async function reached<T>({ what, url }: Pick<HttpCall, 'what' | 'url'>, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new PerennialError('Unavailable', `${capital(what)} does not answer at ${url.origin}: ${reasonOf(error)}. ${wayOut(error)}`, {
      details: { url: url.href },
      cause: error,
    });
  }
}

const types: ReadonlySet<string> = new Set(['DataInvalid', 'TrainerFailed', 'ArtifactRejected', 'Conflict', 'NotApproved', 'Unavailable']);

function refusal({ what, url }: { what: string; url: URL }, status: number, answer: unknown): PerennialError {
  const error = (answer as { error?: { type?: string; message?: string; details?: Record<string, unknown> } | string } | null)?.error;
  const message = typeof error === 'string' ? error : (error?.message ?? `${what} answered ${status} for ${url.pathname}`);
  const named = typeof error === 'object' ? error?.type : undefined;
  const type = named !== undefined && types.has(named) ? (named as FailureType) : typeOf(status);
  const details = typeof error === 'object' ? (error?.details ?? {}) : {};
  return new PerennialError(type, message, { details: { ...details, status } });
}

function typeOf(status: number): FailureType {
  if (status >= 500) return 'Unavailable';
  if (status === 401 || status === 403) return 'NotApproved';
  return status === 400 || status === 413 || status === 422 ? 'DataInvalid' : 'Conflict';
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const isTimeout = (error: unknown): boolean => error instanceof Error && error.name === 'TimeoutError';

/** One that listens and says nothing runs already. */
const wayOut = (error: unknown): string =>
  isTimeout(error)
    ? 'It runs, but is too busy or hangs: try again, or look at its log in .perennial/logs.'
    : 'Start the stack with ./perennial up.';

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (isTimeout(error)) return 'no answer in time';
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
