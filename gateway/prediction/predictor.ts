import { randomBytes } from 'node:crypto';
import type { CaptureBuffer } from '../watching/capture-buffer.js';
import type { GatewayConfig } from '../gateway-config.js';
import type { Cancel } from '../models/batcher.js';
import type { HostedVersion } from '../models/hosted-version.js';
import type { InferRequest } from '../oip/oip-request.js';
import type { OutcomeCache } from './outcome-cache.js';
import { invalid, RequestError } from '../http/request-error.js';
import type { ModelTable, RoutingTable, VariantChoice } from '../routing/routing-table.js';
import { chooseVersion, roleOf } from '../routing/routing-table.js';
import type { Predicted, Prepared, ServingPlan } from '../plans/serving-plan.js';
import type { Shadow } from './shadow.js';

export type PredictorDeps = {
  readonly tables: RoutingTable;
  readonly outcomes: OutcomeCache;
  readonly captures: CaptureBuffer;
  readonly shadow: Shadow;
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
};

export type PredictionAnswer = {
  readonly request: InferRequest;
  readonly version: HostedVersion;
  readonly variant: string;
  readonly ids: readonly string[];
  readonly predicted: Predicted;
  /** To be called when the answer is sent: gives the shadow its copy. */
  readonly sent: () => void;
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
    while (!chosen.resident) {
      const mayFallBack = call.version === null && table.champion !== null && chosen !== table.champion;
      const limitMs = mayFallBack ? config.challengerLimitMs : config.answerLimitMs;
      let fallsBack = false;
      try {
        await chosen.bringIn(Math.min(limitMs, (call.deadlineMs ?? Infinity) - performance.now()));
      } catch (error) {
        if (!mayFallBack) throw error;
        chosen.metrics.fallbacks++;
        fallsBack = true;
      }
      // The route may have changed meanwhile.
      const now = tables.need(call.model);
      if (now !== table) chosen = chooseVersion(now, call);
      else if (fallsBack) chosen = table.champion!;
      table = now;
    }
    return { table, chosen };
  }

  async #attempt(attempt: Attempt): Promise<PredictionAnswer> {
    const { table, version, call, startedMs } = attempt;
    const { outcomes, shadow } = this.#deps;
    const nowMs = Date.now();
    if (!version.enter())
      throw new RequestError('notReady', `version '${version.version}' of '${call.model}' was just taken out of service`);
    let prepared: Prepared | undefined;
    let ids: string[] | undefined;
    try {
      const request = call.read(version.plan);
      prepared = version.plan.prepare(request, { history: outcomes.history(call.model), nowMs });
      ids = this.#ids(request, { rows: prepared.rows, id: attempt.id });
      const outputs = await version.batcher.run(prepared.feeds, prepared.rows, {
        limitMs: attempt.limitMs,
        priority: call.priority,
        deadlineMs: call.deadlineMs,
        cancel: call.cancel,
      });
      const predicted = version.plan.read(outputs, prepared.rows);
      const endedMs = performance.now();
      const latencyMs = endedMs - startedMs;
      version.metrics.answered(prepared.rows, latencyMs, endedMs);
      this.#capture(attempt, { prepared, ids, nowMs, latencyMs, values: predicted.values, error: null });
      const answered = { ids, eventTimesMs: prepared.eventTimesMs, request, key: call.key };
      return {
        request,
        version,
        variant: roleOf(table, version.version),
        ids,
        predicted,
        sent: () => call.version === null && shadow.offer(table, answered),
      };
    } catch (error) {
      const kind = error instanceof RequestError ? error.kind : 'internal';
      version.metrics.failed(kind, prepared?.rows ?? 1, performance.now() - startedMs);
      if (prepared !== undefined && ids !== undefined) {
        this.#capture(attempt, { prepared, ids, nowMs, latencyMs: performance.now() - startedMs, values: null, error: kind });
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

  #capture(
    attempt: Attempt,
    of: {
      prepared: Prepared;
      ids: readonly string[];
      nowMs: number;
      latencyMs: number;
      values: readonly (number | null)[] | null;
      error: string | null;
    },
  ): void {
    const { table, version, call } = attempt;
    const { prepared, ids } = of;
    const { eventTimesMs } = prepared;
    version.metrics.latencies.observe({ shadow: false, eventTimesMs, values: of.values, latencyMs: of.latencyMs, atMs: of.nowMs });
    const { captures } = this.#deps;
    const { subjects } = prepared;
    for (let row = 0; row < prepared.rows; row++) {
      const subject = subjects[row] ?? ids[row]!;
      if (!captures.admits(subject)) continue;
      captures.add({
        id: ids[row]!,
        model: call.model,
        version: version.version,
        shadow: false,
        generation: table.route.generation,
        key: call.key,
        subject,
        eventTimeMs: eventTimesMs[row]!,
        atMs: of.nowMs,
        latencyMs: of.latencyMs,
        predicted: of.values === null ? null : of.values[row]!,
        error: of.error,
        inputs: prepared.records[row]!,
      });
    }
  }
}
