import type { ServerDuplexStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { GrpcInferRequest } from './infer-request.js';
import { readInferRequest } from './infer-request.js';
import type { CallContext, InferenceDeps } from './inference-call.js';
import { CallGone, messageType, predictFor } from './inference-call.js';
import { modelOfRefused } from './model-of-call.js';
import type { BytesStream } from './inference-service.js';
import { writeInferResponse, writeStreamResponse } from './infer-response.js';
import type { Outcome } from './unary-calls.js';

/** How much one stream may have under way; beyond it the gateway stops reading. */
export type StreamLimits = { readonly maxRequests: number; readonly maxBytes: number };

export type InferStreams = {
  /** `ModelStreamInfer`. */
  readonly handler: BytesStream;
  /** Reads no more: each stream ends, as unavailable, when what it has under way is answered. */
  drain(): void;
};

/** The streams of one server: requests run at once, and are answered in the order they came. */
export function inferStreams(deps: StreamDeps): InferStreams {
  const open = new Set<InferStream>();
  let draining = false;
  return {
    handler(call) {
      const stream = new InferStream(call, deps);
      open.add(stream);
      call.on('cancelled', () => open.delete(stream));
      if (draining) stream.drain();
    },
    drain() {
      draining = true;
      for (const stream of open) stream.drain();
    },
  };
}

type StreamDeps = InferenceDeps & { readonly outcome: Outcome; readonly limits: StreamLimits };

type Answered = { readonly bytes: Uint8Array; readonly sent: () => void };
type Pending = { readonly answer: Promise<Answered>; readonly size: number };

class InferStream {
  readonly #call: ServerDuplexStream<Buffer, Uint8Array>;
  readonly #deps: StreamDeps;
  readonly #gone: CallGone;
  readonly #pending: Pending[] = [];
  #bytes = 0;
  #writing = false;
  #ending: 'no' | 'asked' | 'drained' = 'no';

  constructor(call: ServerDuplexStream<Buffer, Uint8Array>, deps: StreamDeps) {
    this.#call = call;
    this.#deps = deps;
    this.#gone = new CallGone(call);
    call.on('data', (message: Buffer) => this.#take(message));
    call.on('end', () => this.#end('asked'));
  }

  drain(): void {
    this.#call.pause();
    this.#end('drained');
  }

  #take(message: Buffer): void {
    this.#pending.push({ answer: this.#answer(message), size: message.length });
    this.#bytes += message.length;
    if (this.#isFull) this.#call.pause();
    void this.#write();
  }

  get #isFull(): boolean {
    const { maxRequests, maxBytes } = this.#deps.limits;
    return this.#pending.length >= maxRequests || this.#bytes >= maxBytes;
  }

  /** Never rejects: what is wrong with a request is its answer. */
  async #answer(message: Buffer): Promise<Answered> {
    const context: CallContext = {
      rpc: 'ModelStreamInfer',
      metadata: this.#call.metadata,
      message,
      arrivedMs: performance.now(),
      deadline: this.#call.getDeadline(),
      cancel: this.#gone,
    };
    let asked: GrpcInferRequest | undefined;
    try {
      asked = readInferRequest(message);
      const answer = await predictFor(this.#deps, asked, context);
      const body = writeInferResponse(answer, { raw: asked.raw, final: true });
      this.#deps.outcome.succeeded('ModelStreamInfer', asked.model);
      return { bytes: writeStreamResponse({ answer: body }), sent: () => answer.sent({ contentType: messageType, body }) };
    } catch (error) {
      const { details } = this.#deps.outcome.failed('ModelStreamInfer', error, asked?.model ?? modelOfRefused(message));
      return { bytes: writeStreamResponse({ error: details, id: asked?.request.id ?? null }), sent: () => undefined };
    }
  }

  async #write(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    for (let next = this.#pending[0]; next !== undefined && !this.#gone.aborted; next = this.#pending[0]) {
      const { bytes, sent } = await next.answer;
      if (this.#gone.aborted) return;
      // A caller that does not read its answers is not asked for more requests either.
      if (!this.#call.write(bytes)) await this.#drained();
      try {
        sent();
      } catch (error) {
        this.#deps.outcome.faulted('ModelStreamInfer', error);
      }
      this.#pending.shift();
      this.#bytes -= next.size;
      if (this.#ending === 'no' && this.#call.isPaused() && !this.#isFull) this.#call.resume();
    }
    this.#writing = false;
    if (this.#ending !== 'no') this.#finish();
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#call.once('drain', resolve);
      this.#call.once('cancelled', () => resolve());
    });
  }

  #end(how: 'asked' | 'drained'): void {
    if (this.#ending === 'no') this.#ending = how;
    if (this.#pending.length === 0 && !this.#writing) this.#finish();
  }

  #finish(): void {
    if (this.#gone.aborted) return;
    if (this.#ending === 'asked') this.#call.end();
    else
      this.#call.emit('error', { code: status.UNAVAILABLE, details: 'the gateway is stopping: send what was not answered to another one' });
  }
}
