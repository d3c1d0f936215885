import { randomBytes } from 'node:crypto';
import type { Capture } from '../../activities/ports.js';
import type { ResponseCache } from '../cache/response-cache.js';
import type { ResponseCaches } from '../cache/response-caches.js';
import type { CaptureBuffer } from '../watching/capture-buffer.js';
import type { ObservedBody } from '../watching/capture-lines.js';
import type { Redactors } from '../watching/redactors.js';
import type { RequestCaptures } from '../watching/request-captures.js';
import type { GatewayConfig } from '../gateway-config.js';
import type { Cancel, RunWish } from '../models/batcher.js';
import type { HostedVersion } from '../models/hosted-version.js';
import type { NamedTensors } from '../models/tensors.js';
import type { InferRequest } from '../oip/oip-request.js';
import type { OutcomeCache } from './outcome-cache.js';
import type { EntityFeatures } from '../entities/entity-features.js';
import { invalid, RequestError } from '../http/request-error.js';
import type { ModelTable, RoutingTable, VariantChoice } from '../routing/routing-table.js';
import { chooseVersion, roleOf } from '../routing/routing-table.js';
import type { Predicted, Prepared, ServingPlan } from '../plans/serving-plan.js';
import type { AttemptTrace, RequestTrace } from '../watching/request-trace.js';
import type { Shadow } from './shadow.js';

export type PredictorDeps = {
  readonly tables: RoutingTable;
  readonly outcomes: OutcomeCache;
  readonly captures: CaptureBuffer;
  /** Files of requests and answers as they were on the wire. */
  readonly bodies: RequestCaptures;
  readonly redactors: Redactors;
  readonly caches: ResponseCaches;
  readonly entities: EntityFeatures;
  readonly shadow: Shadow;
  /** The request whose predictions this predictor makes, where it is traced. */
  readonly trace?: RequestTrace;
  readonly config: Pick<GatewayConfig, 'answerLimitMs' | 'challengerLimitMs' | 'maxRows'>;
};

export type PredictionCall = VariantChoice & {
  readonly model: string;
  /** The request in the terms of the version that will answer. Throws a `RequestError`. */
  readonly read: (plan: ServingPlan) => InferRequest;
  /** When the request arrived, by `performance.now()`. */
  readonly arrivedMs: number;
  /** 1 is served first; 0, the default, stands for the model's own level. */
  readonly priority?: number;
  /** When the answer is no longer wanted, by `performance.now()`. */
  readonly deadlineMs?: number;
  /** Tells when the caller has gone: a request that still waits is then never run. */
  readonly cancel?: Cancel;
  /** The request as it came, for captures that want it so. */
  readonly observed?: ObservedBody;
};

export type PredictionAnswer = {
  readonly request: InferRequest;
  readonly version: HostedVersion;
  readonly variant: string;
  readonly ids: readonly string[];
  readonly predicted: Predicted;
  /** Whether the answer is one that was given before, or another request's. */
  readonly cached: boolean;
  /** To be called when the answer is sent, with its body where there is one: captures it and gives the shadow its copy. */
  readonly sent: (body?: ObservedBody) => void;
};

type Attempt = {
  readonly table: ModelTable;
  readonly version: HostedVersion;
  readonly call: PredictionCall;
  /** Id of the prediction unless the caller gives one; the attempts of one request share it. */
  readonly id: string;
  /** Where this version's latency counts from. */
  readonly startedMs: number;
  readonly limitMs: number;
  readonly trace?: AttemptTrace | undefined;
};

type Choice = { readonly table: ModelTable; readonly chosen: HostedVersion };

const allowedId = /^[\w.:-]{1,128}$/;

/** Answers predictions: chooses the version, runs it, falls back to the champion when a challenger fails, and captures. */
export class Predictor {
  readonly #deps: PredictorDeps;
  readonly #idPrefix = randomBytes(9).toString('base64url');
  #nextId = 0;

  constructor(deps: PredictorDeps) {
    this.#deps = deps;
  }

  /** The same for one request, which is traced. */
  traced(trace: RequestTrace): Predictor {
    return new Predictor({ ...this.#deps, trace });
  }

  /** Throws a `RequestError` when the request is wrong or no version could answer it. */
  async predict(call: PredictionCall): Promise<PredictionAnswer> {
    const { tables, config } = this.#deps;
    let table = tables.need(call.model);
    let chosen = chooseVersion(table, call);
    if (!chosen.resident) ({ table, chosen } = await this.#awaken(call, { table, chosen }));
    const { champion } = table;
    const id = `${this.#idPrefix}${(this.#nextId++).toString(36)}`;
    const first = { table, version: chosen, call, id, startedMs: call.arrivedMs };
    if (call.version !== null || champion === null || chosen === champion)
      return this.#attempt({ ...first, limitMs: config.answerLimitMs });
    try {
      return await this.#attempt({ ...first, limitMs: config.challengerLimitMs });
    } catch (error) {
      // A request that is wrong for both is the caller's; one that only the challenger's signature refuses is not.
      const otherSignature = error instanceof RequestError && error.kind === 'invalidRequest' && chosen.signature !== champion.signature;
      if (!(error instanceof RequestError) || !(error.isVersionFault || otherSignature)) throw error;
      chosen.metrics.fallbacks++;
      // The route may have changed while the challenger was waited for.
      const now = tables.need(call.model);
      // The champion's latency counts from here: what the challenger took is held against the challenger.
      return this.#attempt({
        table: now,
        version: now.champion ?? chosen,
        call,
        id,
        startedMs: performance.now(),
        limitMs: config.answerLimitMs,
      });
    }
  }

  /** Waits for a version that is not in memory. A challenger that cannot come in time costs no request: the champion answers. */
  async #awaken(call: PredictionCall, found: Choice): Promise<Choice> {
    const { tables, config } = this.#deps;
    let { table, chosen } = found;
    const untilMs = Math.min(performance.now() + config.answerLimitMs, call.deadlineMs ?? Infinity);
    while (!chosen.resident) {
      const mayFallBack = call.version === null && table.champion !== null && chosen !== table.champion;
      const nowMs = performance.now();
      const leftMs = untilMs - nowMs;
      let fallsBack = false;
      try {
        await chosen.bringIn(mayFallBack ? Math.min(leftMs, config.challengerLimitMs) : leftMs);
      } catch (error) {
        if (!mayFallBack) throw error;
        chosen.metrics.fallbacks++;
        fallsBack = true;
      } finally {
        this.#deps.trace?.waited(chosen.version, nowMs);
      }
      // The route may have changed meanwhile.
      const now = tables.need(call.model);
      if (now !== table) chosen = chooseVersion(now, call);
      else if (fallsBack) chosen = table.champion!;
      table = now;
    }
    return { table, chosen };
  }

  async #attempt(asked: Attempt): Promise<PredictionAnswer> {
    const { table, version, call, startedMs } = asked;
    const { outcomes, shadow } = this.#deps;
    const nowMs = Date.now();
    if (!version.enter())
      throw new RequestError('notReady', `version '${version.version}' of '${call.model}' was just taken out of service`);
    const trace = this.#deps.trace?.attempt({ model: call.model, version: version.version, variant: roleOf(table, version.version) });
    const attempt = trace === undefined ? asked : { ...asked, trace };
    const beganMs = performance.now();
    let prepared: Prepared | undefined;
    let ids: string[] | undefined;
    try {
      const given = call.read(version.plan);
      const request = version.spec.entities === undefined ? given : await this.#deps.entities.complete(given, version);
      prepared = version.plan.prepare(request, { history: outcomes.history(call.model), nowMs });
      const ready = prepared;
      version.metrics.prepared(performance.now() - beganMs);
      trace?.prepared(beganMs, ready.rows);
      ids = this.#ids(request, { rows: prepared.rows, id: attempt.id });
      const cache = this.#deps.caches.of(version);
      let predicted: Predicted;
      let cached = false;
      if (cache === null) predicted = readOutputs(version, await version.batcher.run(ready.feeds, ready.rows, wishOf(attempt)), ready.rows);
      else ({ predicted, cached } = await askCache(cache, attempt, ready));
      const endedMs = performance.now();
      const latencyMs = endedMs - startedMs;
      version.metrics.answered(prepared.rows, latencyMs, endedMs);
      trace?.answered(cached);
      const captured = this.#capture(attempt, { prepared, ids, nowMs, latencyMs, values: predicted.values, error: null, cached });
      const answered = { ids, captured, live: ready, request, key: call.key, observed: call.observed };
      return {
        request,
        version,
        variant: roleOf(table, version.version),
        ids,
        predicted,
        cached,
        sent: (body) => {
          // What is thinned out has no line either, so that a line has its rows.
          if (captured && version.spec.capture?.sagemaker !== undefined)
            this.#deps.bodies.take({
              table,
              version,
              prepared: ready,
              predicted,
              request,
              ids: answered.ids,
              input: call.observed,
              output: body,
              atMs: nowMs,
            });
          if (table.shadow !== null && call.version === null) shadow.offer(table, answered);
        },
      };
    } catch (error) {
      const kind = error instanceof RequestError ? error.kind : 'internal';
      version.metrics.failed(kind, prepared?.rows ?? 1, performance.now() - startedMs);
      trace?.failed(kind);
      if (prepared !== undefined && ids !== undefined) {
        this.#capture(attempt, {
          prepared,
          ids,
          nowMs,
          latencyMs: performance.now() - startedMs,
          values: null,
          error: kind,
          cached: false,
        });
      }
      throw error;
    } finally {
      version.leave();
    }
  }

  #ids(request: InferRequest, { rows, id }: { rows: number; id: string }): string[] {
    if (rows > this.#deps.config.maxRows)
      throw invalid(`the request has ${rows} rows: at most ${this.#deps.config.maxRows} are taken at once`);
    const given = request.parameters['prediction_id'];
    if (given !== undefined && (typeof given !== 'string' || !allowedId.test(given)))
      throw invalid('parameters.prediction_id must be 1 to 128 letters, digits, or any of _ . : -');
    const base = given ?? id;
    return rows === 1 ? [base] : Array.from({ length: rows }, (_, row) => `${base}-${row}`);
  }

  /** Counts what was answered, and captures it; false where it is thinned out. */
  #capture(
    attempt: Attempt,
    of: {
      prepared: Prepared;
      ids: readonly string[];
      nowMs: number;
      latencyMs: number;
      values: readonly (number | null)[] | null;
      error: string | null;
      cached: boolean;
    },
  ): boolean {
    const { table, version, call } = attempt;
    const { prepared, ids } = of;
    const { eventTimesMs } = prepared;
    // An answer that was given before says nothing of how fast the version is.
    if (!of.cached)
      version.metrics.latencies.observe({ shadow: false, eventTimesMs, values: of.values, latencyMs: of.latencyMs, atMs: of.nowMs });
    const { captures } = this.#deps;
    if (!captures.admits(attempt.id)) return false;
    const redactor = this.#deps.redactors.of(table);
    const { subjects, records } = prepared;
    for (let row = 0; row < prepared.rows; row++) {
      const capture: Capture = {
        id: ids[row]!,
        model: call.model,
        version: version.version,
        shadow: false,
        generation: table.route.generation,
        key: call.key,
        subject: subjects[row] ?? ids[row]!,
        eventTimeMs: eventTimesMs[row]!,
        atMs: of.nowMs,
        latencyMs: of.latencyMs,
        predicted: of.values === null ? null : of.values[row]!,
        error: of.error,
        inputs: records[row]!,
        cached: of.cached,
      };
      captures.add(redactor === null ? capture : redactor.capture(capture, version.spec.subject));
    }
    return true;
  }
}

function wishOf({ call, limitMs, trace }: Attempt): RunWish {
  return { limitMs, priority: call.priority, deadlineMs: call.deadlineMs, cancel: call.cancel, trace };
}

function readOutputs(version: HostedVersion, outputs: NamedTensors, rows: number): Predicted {
  const fromMs = performance.now();
  const predicted = version.plan.read(outputs, rows);
  version.metrics.read(performance.now() - fromMs);
  return predicted;
}

function askCache(cache: ResponseCache, attempt: Attempt, { feeds, rows }: Prepared): Promise<{ predicted: Predicted; cached: boolean }> {
  const { version, call } = attempt;
  const limitMs = Math.min(attempt.limitMs, (call.deadlineMs ?? Infinity) - performance.now());
  const run = async (): Promise<Predicted> => readOutputs(version, await version.batcher.run(feeds, rows, wishOf(attempt)), rows);
  return cache.answer({ feeds, limitMs, run });
}
