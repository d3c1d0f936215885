import type { Context, Span } from '@opentelemetry/api';

/** What became of a request at one version, in times of `performance.now()`. */
export class AttemptTrace {
  readonly model: string;
  readonly version: string;
  readonly variant: string;
  readonly startedMs = performance.now();
  rows: number | null = null;
  featuresMs: { readonly from: number; readonly to: number } | null = null;
  queuedFromMs: number | null = null;
  /** The run that it was part of, with what else was in it. */
  run: { readonly fromMs: number; toMs: number | null; readonly rows: number; readonly requests: number } | null = null;
  endedMs: number | null = null;
  /** Kind of the `RequestError` that it failed with. */
  error: string | null = null;

  constructor(of: { readonly model: string; readonly version: string; readonly variant: string }) {
    this.model = of.model;
    this.version = of.version;
    this.variant = of.variant;
  }

  /** Features were looked up and became tensors. */
  prepared(fromMs: number, rows: number): void {
    this.rows = rows;
    this.featuresMs = { from: fromMs, to: performance.now() };
    this.queuedFromMs = this.featuresMs.to;
  }

  runBegan(batch: { readonly rows: number; readonly requests: number }): void {
    this.run = { fromMs: performance.now(), toMs: null, rows: batch.rows, requests: batch.requests };
  }

  runEnded(): void {
    if (this.run !== null) this.run.toMs = performance.now();
  }

  ended(error: string | null): void {
    this.endedMs = performance.now();
    this.error = error;
  }
}

/** A request that is traced, while it is under way. What happens to it is noted in plain fields, and becomes spans at its end. */
export class RequestTrace {
  readonly attempts: AttemptTrace[] = [];
  readonly span: Span;
  readonly context: Context;
  /** From `performance.now()` to epoch milliseconds, the same for all spans of the request. */
  readonly offsetMs: number;

  constructor(of: { readonly span: Span; readonly context: Context; readonly offsetMs: number }) {
    this.span = of.span;
    this.context = of.context;
    this.offsetMs = of.offsetMs;
  }

  get traceId(): string {
    return this.span.spanContext().traceId;
  }

  attempt(of: { readonly model: string; readonly version: string; readonly variant: string }): AttemptTrace {
    const attempt = new AttemptTrace(of);
    this.attempts.push(attempt);
    return attempt;
  }
}
