import type { Attributes, Context, TextMapGetter, Tracer } from '@opentelemetry/api';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import type { AttemptTrace } from './request-trace.js';
import { RequestTrace } from './request-trace.js';

export type TracingOptions = {
  readonly tracer: Tracer;
  /** Share of the requests without a caller's trace that are traced, 0 to 1. */
  readonly ratio: number;
};

/** How a traced request ended. */
export type TraceEnd = {
  /** Low-cardinality name of the server span: method and route, or service and method. */
  readonly name: string;
  readonly attributes: Attributes;
  /** What went wrong, where it is the server's fault; null otherwise. */
  readonly error: string | null;
};

/** Headers of HTTP, or metadata of gRPC. */
export type TraceHeaders = Readonly<Record<string, string | string[] | undefined>>;

const getter: TextMapGetter<TraceHeaders> = { keys: (headers) => Object.keys(headers), get: (headers, key) => headers[key] };
const propagator = new W3CTraceContextPropagator();

/**
 * Traces of requests. A caller's sampled `traceparent` (W3C Trace Context) is joined; a caller that does not sample is not
 * traced; of the others a share is. What is not traced costs the look at one header.
 */
export class RequestTracing {
  readonly #tracer: Tracer;
  ratio: number;

  constructor({ tracer, ratio }: TracingOptions) {
    this.#tracer = tracer;
    this.ratio = ratio;
  }

  /** The trace of a request that arrived at `arrivedMs`, by `performance.now()`; null when it is not traced. */
  begin(headers: TraceHeaders, arrivedMs: number): RequestTrace | null {
    const parent = this.#parentOf(headers);
    if (parent === null) return null;
    const offsetMs = Date.now() - performance.now();
    const span = this.#tracer.startSpan('request', { kind: SpanKind.SERVER, startTime: arrivedMs + offsetMs }, parent);
    return new RequestTrace({ span, context: trace.setSpan(parent, span), offsetMs });
  }

  /** Makes spans of what was noted, and hands them to the exporter. */
  end(request: RequestTrace, { name, attributes, error }: TraceEnd): void {
    const { span, offsetMs } = request;
    for (const { version, fromMs, toMs } of request.loads) {
      const attributes = { 'perennial.version': version };
      this.#tracer.startSpan('load', { startTime: fromMs + offsetMs, attributes }, request.context).end(toMs + offsetMs);
    }
    for (const attempt of request.attempts) this.#attempt(request, attempt);
    span.updateName(name);
    span.setAttributes(attributes);
    if (error !== null) span.setAttribute('error.type', error).setStatus({ code: SpanStatusCode.ERROR });
    span.end(performance.now() + offsetMs);
  }

  /** The context to be a child of; null when the request is not traced. */
  #parentOf(headers: TraceHeaders): Context | null {
    if (headers['traceparent'] !== undefined) {
      const context = propagator.extract(ROOT_CONTEXT, headers, getter);
      const caller = trace.getSpanContext(context);
      // One that cannot be read counts as none, as W3C wants it.
      if (caller !== undefined) return (caller.traceFlags & TraceFlags.SAMPLED) === 0 ? null : context;
    }
    return this.ratio > 0 && Math.random() < this.ratio ? ROOT_CONTEXT : null;
  }

  #attempt({ context, offsetMs }: RequestTrace, attempt: AttemptTrace): void {
    const { queuedFromMs, run, startedMs } = attempt;
    const endedMs = attempt.endedMs ?? performance.now();
    const times = (from: number, to: number) => ({ from: from + offsetMs, to: to + offsetMs });
    const predict = this.#tracer.startSpan('predict', { startTime: startedMs + offsetMs, attributes: attributesOf(attempt) }, context);
    const within = trace.setSpan(context, predict);
    const part = (name: string, { from, to }: { from: number; to: number }, attributes: Attributes = {}): void =>
      this.#tracer.startSpan(name, { startTime: from, attributes }, within).end(to);
    this.#features(within, attempt, offsetMs);
    if (queuedFromMs !== null && !attempt.cached) part('queue', times(queuedFromMs, run?.fromMs ?? endedMs));
    if (run !== null) {
      const batch = { 'perennial.batch.rows': run.rows, 'perennial.batch.requests': run.requests };
      part('run', times(run.fromMs, run.toMs ?? endedMs), batch);
    }
    if (attempt.error !== null) predict.setStatus({ code: SpanStatusCode.ERROR });
    predict.end(endedMs + offsetMs);
  }

  /** The span of the features, with that of the look-up in it. Without tensors it ends where the attempt failed. */
  #features(within: Context, { featuresMs, lookup, queuedFromMs }: AttemptTrace, offsetMs: number): void {
    if (featuresMs === null) return;
    const features = this.#tracer.startSpan('features', { startTime: featuresMs.from + offsetMs }, within);
    if (lookup !== null) {
      const { hits, misses, failed, fromMs, toMs } = lookup;
      const attributes = { 'perennial.lookup.hits': hits, 'perennial.lookup.misses': misses };
      const span = this.#tracer.startSpan('lookup', { startTime: fromMs + offsetMs, attributes }, trace.setSpan(within, features));
      if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end(toMs + offsetMs);
    }
    if (queuedFromMs === null) features.setStatus({ code: SpanStatusCode.ERROR });
    features.end(featuresMs.to + offsetMs);
  }
}

/** The id of the caller's trace, sampled or not; null without one. */
export function callerTraceId(headers: TraceHeaders): string | null {
  if (headers['traceparent'] === undefined) return null;
  return trace.getSpanContext(propagator.extract(ROOT_CONTEXT, headers, getter))?.traceId ?? null;
}

function attributesOf({ model, version, variant, rows, cached, error }: AttemptTrace): Attributes {
  return {
    'perennial.model': model,
    'perennial.version': version,
    'perennial.variant': variant,
    ...(rows === null ? {} : { 'perennial.rows': rows }),
    ...(cached ? { 'perennial.cached': true } : {}),
    ...(error === null ? {} : { 'error.type': error }),
  };
}
