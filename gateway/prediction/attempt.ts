import type { Capture } from '../../activities/ports.js';
import type { ResponseCache } from '../cache/response-cache.js';
import { invalid, RequestError } from '../http/request-error.js';
import type { RunWish } from '../models/batcher.js';
import type { HostedVersion } from '../models/hosted-version.js';
import type { NamedTensors } from '../models/tensors.js';
import type { InferRequest } from '../oip/oip-request.js';
import type { Predicted, Prepared } from '../plans/serving-plan.js';
import type { ModelTable } from '../routing/routing-table.js';
import { roleOf } from '../routing/routing-table.js';
import type { ObservedBody } from '../watching/capture-lines.js';
import type { AttemptTrace } from '../watching/request-trace.js';
import type { PredictionAnswer, PredictionCall, PredictorDeps } from './predictor.js';

/** One version's attempt at a request. */
export type AttemptOf = {
  readonly table: ModelTable;
  readonly version: HostedVersion;
  readonly call: PredictionCall;
  /** Id of the prediction unless the caller gives one; the attempts of one request share it. */
  readonly id: string;
  /** Where this version's latency counts from. */
  readonly startedMs: number;
  readonly limitMs: number;
};

type Answered = PredictionAnswer | Promise<PredictionAnswer>;

const allowedId = /^[\w.:-]{1,128}$/;

/**
 * Has one version answer: reads and prepares the request, runs the model or asks the cache, counts and captures. Answers at
 * once where the model does; the version is not released before. Throws or rejects with a `RequestError`.
 */
export function attempt(deps: PredictorDeps, of: AttemptOf): Answered {
  const { version, call } = of;
  const refusal = refusalOf(version, call);
  if (refusal !== null) {
    countRefusal(version, performance.now() - of.startedMs);
    throw refusal;
  }
  if (!version.enter()) throw new RequestError('notReady', `version '${version.version}' of '${call.model}' was just taken out of service`);
  return new Attempt(deps, of).make();
}

/** Why a version would refuse a request whatever it asks, or null. Where answers are kept, one may be had without a run. */
export function refusalOf({ spec, batcher }: HostedVersion, { priority }: Pick<PredictionCall, 'priority'>): RequestError | null {
  return spec.cache === undefined ? batcher.refusal(priority) : null;
}

/** A refusal in the figures of its version, also those that a rollout looks at. There is no row that could be captured. */
export function countRefusal({ metrics }: HostedVersion, latencyMs: number): void {
  const atMs = Date.now();
  metrics.failed('overloaded', 1, latencyMs);
  metrics.latencies.observe({ shadow: false, eventTimesMs: [atMs], values: null, latencyMs, atMs });
}

class Attempt {
  readonly #deps: PredictorDeps;
  readonly #of: AttemptOf;
  readonly #trace: AttemptTrace | undefined;
  readonly #nowMs = Date.now();
  #prepared: Prepared | undefined;
  #ids: readonly string[] | undefined;

  constructor(deps: PredictorDeps, of: AttemptOf) {
    this.#deps = deps;
    this.#of = of;
    const { table, version, call } = of;
    this.#trace = deps.trace?.attempt({ model: call.model, version: version.version, variant: roleOf(table, version.version) });
  }

  make(): Answered {
    const { version, call } = this.#of;
    try {
      const beganMs = performance.now();
      const given = call.read(version.plan);
      const request = given instanceof Promise ? given.then((read) => this.#completed(read)) : this.#completed(given);
      const answer = request instanceof Promise ? this.#runLater(request, beganMs) : this.#run(request, beganMs);
      if (answer instanceof Promise) return this.#settling(answer);
      version.leave();
      return answer;
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #completed(given: InferRequest): InferRequest | Promise<InferRequest> {
    const { version } = this.#of;
    return version.spec.entities === undefined ? given : this.#deps.entities.complete(given, version, this.#trace);
  }

  async #runLater(request: Promise<InferRequest>, beganMs: number): Promise<PredictionAnswer> {
    return this.#run(await request, beganMs);
  }

  async #settling(answer: Promise<PredictionAnswer>): Promise<PredictionAnswer> {
    let ready: PredictionAnswer;
    try {
      ready = await answer;
    } catch (error) {
      throw this.#failed(error);
    }
    this.#of.version.leave();
    return ready;
  }

  #run(request: InferRequest, beganMs: number): Answered {
    const { version, call, id } = this.#of;
    const { outcomes, caches } = this.#deps;
    const prepared = version.plan.prepare(request, { history: outcomes.history(call.model), nowMs: this.#nowMs });
    const { feeds, rows } = prepared;
    this.#prepared = prepared;
    version.metrics.prepared(performance.now() - beganMs);
    this.#trace?.prepared(beganMs, rows);
    this.#ids = idsOf(request, { rows, id, maxRows: this.#deps.config.maxRows });
    const cache = caches.of(version);
    const outputs = cache === null ? version.batcher.runNow(feeds, rows, this.#wish()) : null;
    return outputs === null ? this.#later(request, cache) : this.#answered(request, readOutputs(version, outputs, rows), false);
  }

  async #later(request: InferRequest, cache: ResponseCache | null): Promise<PredictionAnswer> {
    const prepared = this.#prepared!;
    if (cache !== null) {
      const { predicted, cached } = await this.#ask(cache, prepared);
      return this.#answered(request, predicted, cached);
    }
    const { version } = this.#of;
    const outputs = await version.batcher.run(prepared.feeds, prepared.rows, this.#wish());
    return this.#answered(request, readOutputs(version, outputs, prepared.rows), false);
  }

  #ask(cache: ResponseCache, { feeds, rows }: Prepared): Promise<{ predicted: Predicted; cached: boolean }> {
    const { version, call } = this.#of;
    const limitMs = Math.min(this.#of.limitMs, (call.deadlineMs ?? Infinity) - performance.now());
    const run = async (): Promise<Predicted> => readOutputs(version, await version.batcher.run(feeds, rows, this.#wish()), rows);
    return cache.answer({ feeds, limitMs, run });
  }

  #wish(): RunWish {
    const { call, limitMs } = this.#of;
    return { limitMs, priority: call.priority, deadlineMs: call.deadlineMs, cancel: call.cancel, trace: this.#trace };
  }

  #answered(request: InferRequest, predicted: Predicted, cached: boolean): PredictionAnswer {
    const { table, version, call, startedMs } = this.#of;
    const prepared = this.#prepared!;
    const ids = this.#ids!;
    const endedMs = performance.now();
    const latencyMs = endedMs - startedMs;
    version.metrics.answered(prepared.rows, latencyMs, endedMs);
    this.#trace?.answered(cached);
    const captured = this.#capture(prepared, { ids, latencyMs, values: predicted.values, error: null, cached });
    const atMs = this.#nowMs;
    const sent = (body?: ObservedBody): void => {
      // What is thinned out has no line either, so that a line has its rows.
      if (captured && version.spec.capture?.sagemaker !== undefined)
        this.#deps.bodies.take({ table, version, prepared, predicted, request, ids, input: call.observed, output: body, atMs });
      if (table.shadow !== null && call.version === null)
        this.#deps.shadow.offer(table, { ids, captured, live: prepared, request, key: call.key, observed: call.observed });
    };
    return { request, version, variant: roleOf(table, version.version), ids, predicted, cached, sent };
  }

  /** Counts and captures a failure, and lets the version go. */
  #failed(error: unknown): unknown {
    const { version, startedMs } = this.#of;
    const prepared = this.#prepared;
    const ids = this.#ids;
    const kind = error instanceof RequestError ? error.kind : 'internal';
    const latencyMs = performance.now() - startedMs;
    version.metrics.failed(kind, prepared?.rows ?? 1, latencyMs);
    this.#trace?.failed(kind);
    if (prepared !== undefined && ids !== undefined) this.#capture(prepared, { ids, latencyMs, values: null, error: kind, cached: false });
    version.leave();
    return error;
  }

  /** Counts what was answered, and captures it; false where it is thinned out. */
  #capture(
    prepared: Prepared,
    of: { ids: readonly string[]; latencyMs: number; values: readonly (number | null)[] | null; error: string | null; cached: boolean },
  ): boolean {
    const { table, version, call, id } = this.#of;
    const { eventTimesMs } = prepared;
    const atMs = this.#nowMs;
    // An answer that was given before says nothing of how fast the version is.
    if (!of.cached) version.metrics.latencies.observe({ shadow: false, eventTimesMs, values: of.values, latencyMs: of.latencyMs, atMs });
    const { captures } = this.#deps;
    if (!captures.admits(id)) return false;
    const redactor = this.#deps.redactors.of(table);
    const { subjects } = prepared;
    captures.addRows(prepared.rows, (row) => {
      const capture: Capture = {
        id: of.ids[row]!,
        model: call.model,
        version: version.version,
        shadow: false,
        generation: table.route.generation,
        key: call.key,
        subject: subjects[row] ?? of.ids[row]!,
        eventTimeMs: eventTimesMs[row]!,
        atMs,
        latencyMs: of.latencyMs,
        predicted: of.values === null ? null : of.values[row]!,
        error: of.error,
        inputs: prepared.recordOf(row),
        cached: of.cached,
      };
      return redactor === null ? capture : redactor.capture(capture, version.spec.subject);
    });
    return true;
  }
}

function idsOf(request: InferRequest, { rows, id, maxRows }: { rows: number; id: string; maxRows: number }): string[] {
  if (rows > maxRows) throw invalid(`the request has ${rows} rows: at most ${maxRows} are taken at once`);
  const given = request.parameters['prediction_id'];
  if (given !== undefined && (typeof given !== 'string' || !allowedId.test(given)))
    throw invalid('parameters.prediction_id must be 1 to 128 letters, digits, or any of _ . : -');
  const base = given ?? id;
  return rows === 1 ? [base] : Array.from({ length: rows }, (_, row) => `${base}-${row}`);
}

function readOutputs(version: HostedVersion, outputs: NamedTensors, rows: number): Predicted {
  const fromMs = performance.now();
  const predicted = version.plan.read(outputs, rows);
  version.metrics.read(performance.now() - fromMs);
  return predicted;
}
