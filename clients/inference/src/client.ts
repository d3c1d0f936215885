import type { Answer } from './answer.js';
import { readAnswer } from './answer.js';
import { InferenceError, isOfAnother } from './errors.js';
import { eventsOf } from './events.js';
import { Model } from './model.js';
import type { Parameters } from './request-body.js';
import { requestBody } from './request-body.js';
import type { ModelSignature, Tensor } from './signature.js';
import type { Call, TransportOptions } from './transport.js';
import { errorOf, send } from './transport.js';

export type ClientOptions = Partial<Omit<TransportOptions, 'headers'>> & {
  /** Sent as `Authorization: Bearer <key>`. */
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Tensors as bytes, or as JSON. By default as bytes where the server's extensions have `binary_tensor_data`; it is asked once. */
  readonly binary?: boolean;
  /** Bodies from 1 KiB on are sent packed. Default false. */
  readonly gzip?: boolean;
  /** Sends the request's id as the parameter `prediction_id` too, by which Perennial knows a try that was repeated. Default true. */
  readonly predictionId?: boolean;
};

export type CallOptions = {
  /** For the call with all its tries. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** One version, whatever the routing says. */
  readonly version?: string;
};

export type InferOptions = CallOptions & {
  /** Id of the request; otherwise a random one. */
  readonly id?: string;
  /** Perennial's sticky key: the same key meets the same variant. */
  readonly stickyKey?: string;
  readonly parameters?: Parameters;
  /** Names of the outputs that are wanted; all without it. */
  readonly outputs?: readonly string[];
};

/** One event of a stream: an answer, or why a row has none. */
export type StreamEvent<A = Answer> =
  { readonly kind: 'answer'; readonly answer: A } | { readonly kind: 'error'; readonly error: InferenceError };

/** What really happened, by prediction id or by subject. */
export type Label = ({ readonly id: string } | { readonly subject: string; readonly eventTimeMs?: number }) & { readonly value: number };
export type LabelOutcome = { readonly outcome: 'stored' } | { readonly outcome: 'refused'; readonly reason: string };

export type ServerMetadata = { readonly name: string; readonly version: string; readonly extensions: readonly string[] };

/** A client of one inference server that speaks the Open Inference Protocol v2. It holds nothing that must be closed. */
export class InferenceClient {
  readonly #base: URL;
  readonly #transport: TransportOptions;
  readonly #options: ClientOptions;
  #extensions: Promise<readonly string[]> | null = null;

  /** @param url where the server listens, such as `http://localhost:8600`; a path before `/v2` may be part of it */
  constructor(url: string | URL, options: ClientOptions = {}) {
    this.#base = new URL(String(url).replace(/\/*$/, '/'));
    this.#options = options;
    const { key, headers, timeoutMs = 30_000, retries = 2, retryBaseMs = 100, retryMaxMs = 10_000 } = options;
    const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` };
    this.#transport = { headers: { ...authorization, ...headers }, timeoutMs, retries, retryBaseMs, retryMaxMs };
  }

  /** Whether the server is live. Does not throw when it is away. */
  isLive(options: CallOptions = {}): Promise<boolean> {
    return this.#isThere('v2/health/live', options);
  }

  /** Whether the server can answer. Does not throw when it is away. */
  isReady(options: CallOptions = {}): Promise<boolean> {
    return this.#isThere('v2/health/ready', options);
  }

  /** Whether a model, or a version of it, can answer. */
  isModelReady(model: string, options: CallOptions = {}): Promise<boolean> {
    return this.#isThere(`${path(model, options.version)}/ready`, options);
  }

  async serverMetadata(options: CallOptions = {}): Promise<ServerMetadata> {
    return this.#json<ServerMetadata>('v2', options);
  }

  /** What a model takes and answers. */
  async modelMetadata(
    model: string,
    options: CallOptions = {},
  ): Promise<ModelSignature & { readonly versions?: readonly string[]; readonly platform?: string }> {
    return this.#json(path(model, options.version), options);
  }

  /** A model with its own types: `client.model(signature)`, or `client.model<Signature>(name)`, which asks for the metadata once. */
  model<S extends ModelSignature>(of: S | S['name']): Model<S> {
    return new Model<S>(this, of);
  }

  /** Asks a model. Throws an `InferenceError`. */
  async infer(model: string, inputs: readonly Tensor[], options: InferOptions = {}): Promise<Answer> {
    const answer = await this.#post(model, { inputs, action: 'infer', binary: await this.#isBinary(options) }, options);
    const bytes = await this.#read(answer, options);
    const headLength = answer.headers.get('inference-header-content-length');
    return readAnswer(bytes, headLength === null ? null : Number(headLength));
  }

  /**
   * Asks for the rows of a request one by one (`infer_stream`). A row that cannot be answered is an event of kind `error`, and the
   * stream goes on. Leaving the loop ends the call.
   */
  async *inferStream(model: string, inputs: readonly Tensor[], options: InferOptions = {}): AsyncGenerator<StreamEvent, void> {
    const answer = await this.#post(model, { inputs, action: 'infer_stream', binary: false }, options);
    const encoder = new TextEncoder();
    const events = eventsOf(answer.body);
    try {
      for (;;) {
        const next = await events.next().catch((cause: unknown) => this.#broken(answer, options, cause));
        if (next.done === true) return;
        const error = errorIn(next.value);
        if (error === null) yield { kind: 'answer', answer: readAnswer(encoder.encode(next.value), null) };
        else yield { kind: 'error', error: new InferenceError('modelFailed', error) };
      }
    } finally {
      await events.return();
    }
  }

  /** Perennial: tells what really happened. Answers an outcome for each label. */
  async label(model: string, labels: readonly Label[], options: CallOptions = {}): Promise<readonly LabelOutcome[]> {
    const wire = labels.map((label) => {
      if (!('eventTimeMs' in label)) return label;
      const { eventTimeMs, ...rest } = label;
      return { ...rest, event_time_ms: eventTimeMs };
    });
    const call: Call = {
      method: 'POST',
      url: this.#url(`${path(model, undefined)}/labels`),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ labels: wire }),
      // The first label of a subject stays, so a second try changes nothing.
      repeatable: true,
      ...options,
    };
    const answer = await send(this.#transport, call);
    return (parsed(await this.#read(answer, options)) as { labels: readonly LabelOutcome[] }).labels;
  }

  async #isBinary({ timeoutMs, signal }: CallOptions): Promise<boolean> {
    if (this.#options.binary !== undefined) return this.#options.binary;
    const call = { ...(timeoutMs === undefined ? {} : { timeoutMs }), ...(signal === undefined ? {} : { signal }) };
    const joined = this.#extensions !== null;
    const asked = (this.#extensions ??= this.serverMetadata(call).then(({ extensions }) => extensions));
    try {
      return (await asked).includes('binary_tensor_data');
    } catch (error) {
      if (this.#extensions === asked) this.#extensions = null;
      if (joined && isOfAnother(error, signal)) return this.#isBinary(call);
      // One that may ask a model but not the server is answered in JSON; who is away is away for the model too.
      if (error instanceof InferenceError && (error.status === 401 || error.status === 403 || error.status === 404)) return false;
      throw error;
    }
  }

  async #post(model: string, of: { inputs: readonly Tensor[]; action: string; binary: boolean }, options: InferOptions): Promise<Response> {
    const id = options.id ?? crypto.randomUUID();
    const parameters = {
      ...((this.#options.predictionId ?? true) ? { prediction_id: id } : {}),
      ...(options.stickyKey === undefined ? {} : { key: options.stickyKey }),
      ...options.parameters,
    };
    const { bytes, headers } = requestBody({ id, parameters, inputs: of.inputs, outputs: options.outputs ?? null, binary: of.binary });
    const isPacked = this.#options.gzip === true && bytes.length >= 1024;
    return send(this.#transport, {
      method: 'POST',
      url: this.#url(`${path(model, options.version)}/${of.action}`),
      headers: isPacked ? { ...headers, 'content-encoding': 'gzip' } : headers,
      body: isPacked ? await packed(bytes) : bytes,
      repeatable: true,
      timeoutMs: options.timeoutMs,
      signal: options.signal,
    });
  }

  async #json<T>(of: string, options: CallOptions): Promise<T> {
    const answer = await send(this.#transport, { method: 'GET', url: this.#url(of), repeatable: true, ...options });
    return parsed(await this.#read(answer, options)) as T;
  }

  async #isThere(of: string, { timeoutMs, signal }: CallOptions): Promise<boolean> {
    try {
      const answer = await send(this.#transport, { method: 'GET', url: this.#url(of), repeatable: false, timeoutMs, signal });
      await answer.body?.cancel();
      return true;
    } catch (error) {
      if (error instanceof InferenceError && error.kind !== 'cancelled') return false;
      throw error;
    }
  }

  async #read(answer: Response, options: CallOptions): Promise<Uint8Array> {
    try {
      return new Uint8Array(await answer.arrayBuffer());
    } catch (cause) {
      return this.#broken(answer, options, cause);
    }
  }

  /** The body of an answer did not come to its end. */
  #broken(answer: Response, { signal, timeoutMs = this.#transport.timeoutMs }: CallOptions, cause: unknown): never {
    const late = (cause as Error).name === 'TimeoutError' ? AbortSignal.abort() : new AbortController().signal;
    throw errorOf(cause, { call: { url: new URL(answer.url), signal }, late, timeoutMs });
  }

  #url(of: string): URL {
    return new URL(of, this.#base);
  }
}

function path(model: string, version: string | undefined): string {
  const of = version === undefined ? '' : `/versions/${encodeURIComponent(version)}`;
  return `v2/models/${encodeURIComponent(model)}${of}`;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new InferenceError('protocol', 'the answer is not JSON: is it an inference server?', { cause });
  }
}

function errorIn(data: string): string | null {
  try {
    const { error } = JSON.parse(data) as { error?: unknown };
    return error === undefined ? null : typeof error === 'string' ? error : JSON.stringify(error);
  } catch (cause) {
    throw new InferenceError('protocol', 'an event of the stream is not JSON', { cause });
  }
}

async function packed(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new CompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
