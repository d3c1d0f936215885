import type { Context, Span } from '@opentelemetry/api';

/** Entities of a look-up whose features were kept, and those that the store was asked for; whether it did not answer. */
export type LookedUp = { readonly hits: number; readonly misses: number; readonly failed: boolean };

/** What became of a request at one version, in times of `performance.now()`. */
export class AttemptTrace {
  readonly model: string;
  readonly version: string;
  readonly variant: string;
  readonly startedMs = performance.now();
  rows: number | null = null;
  featuresMs: { readonly from: number; readonly to: number } | null = null;
  /** Features of entities that were kept here (hits) or asked of the online feature store. */
  lookup: (LookedUp & { readonly fromMs: number; readonly toMs: number }) | null = null;
  queuedFromMs: number | null = null;
  /** The run that it was part of, with what else was in it. */
  run: { readonly fromMs: number; toMs: number | null; readonly rows: number; readonly requests: number } | null = null;
  endedMs: number | null = null;
  /** Whether the answer was one that was given before, or another request's: then there was no run. */
  cached = false;
  /** Kind of the `RequestError` that it failed with. */
  error: string | null = null;

  constructor(of: { readonly model: string; readonly version: string; readonly variant: string }) {
    this.model = of.model;
    this.version = of.version;
    this.variant = of.variant;
  }

  /** Features were looked up, or could not be. */
  lookedUp(fromMs: number, of: LookedUp): void {
    this.lookup = { ...of, fromMs, toMs: performance.now() };
  }

  /** The request was read, and its features became tensors. */
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

  answered(cached: boolean): void {
    this.endedMs = performance.now();
    this.cached = cached;
  }

  failed(error: string): void {
    this.endedMs = performance.now();
    this.error = error;
    // What fails before there are tensors fails at its features.
    this.featuresMs ??= { from: this.startedMs, to: this.endedMs };
  }
}

/** A request that is traced, while it is under way. What happens to it is noted in plain fields, and becomes spans at its end. */
export class RequestTrace {
  readonly attempts: AttemptTrace[] = [];
  /** Waits for versions that were not in memory. */
  readonly loads: { readonly version: string; readonly fromMs: number; readonly toMs: number }[] = [];
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

  /** It waited for a version to be loaded. */
  waited(version: string, fromMs: number): void {
    this.loads.push({ version, fromMs, toMs: performance.now() });
  }

  attempt(of: { readonly model: string; readonly version: string; readonly variant: string }): AttemptTrace {
    const attempt = new AttemptTrace(of);
    this.attempts.push(attempt);
    return attempt;
  }
}
