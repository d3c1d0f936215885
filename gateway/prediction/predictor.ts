import { randomBytes } from 'node:crypto';
import type { ResponseCaches } from '../cache/response-caches.js';
import type { CaptureBuffer } from '../watching/capture-buffer.js';
import type { ObservedBody } from '../watching/capture-lines.js';
import type { Redactors } from '../watching/redactors.js';
import type { RequestCaptures } from '../watching/request-captures.js';
import type { GatewayConfig } from '../gateway-config.js';
import type { Cancel } from '../models/batcher.js';
import type { HostedVersion } from '../models/hosted-version.js';
import type { InferRequest } from '../oip/oip-request.js';
import type { AttemptOf } from './attempt.js';
import { attempt, countRefusal, refusalOf } from './attempt.js';
import type { OutcomeCache } from './outcome-cache.js';
import type { EntityFeatures } from '../entities/entity-features.js';
import { RequestError } from '../http/request-error.js';
import type { ModelTable, RoutingTable, VariantChoice } from '../routing/routing-table.js';
import { chooseVersion, liveVersions } from '../routing/routing-table.js';
import type { Predicted, ServingPlan } from '../plans/serving-plan.js';
import type { RequestTrace } from '../watching/request-trace.js';
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
  /** The request in the terms of the version that will answer; a promise where it is large. Throws or rejects with a `RequestError`. */
  readonly read: (plan: ServingPlan) => InferRequest | Promise<InferRequest>;
  /** When the request arrived, by `performance.now()`. */
  readonly arrivedMs: number;
  /** 1 is served first; 0, the default, stands for the model's own level. */
  readonly priority?: number | undefined;
  /** When the answer is no longer wanted, by `performance.now()`. */
  readonly deadlineMs?: number | undefined;
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

type Choice = { readonly table: ModelTable; readonly chosen: HostedVersion };

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

  /**
   * Refuses a request before it is read, where all that could answer it have a full queue and it says nothing of its priority.
   * Throws `overloaded`; unknown models and versions are told by `predict`.
   */
  refuseEarly({ model, version, body, arrivedMs }: Pick<PredictionCall, 'model' | 'version' | 'arrivedMs'> & { body: Buffer }): void {
    const table = this.#deps.tables.get(model);
    const able = version === null ? table?.champion : table?.versions.get(version);
    if (able === undefined || able === null || !able.resident) return;
    const refusal = refusalOf(able, {});
    if (refusal === null || body.includes('"priority"')) return;
    if (version === null && !liveVersions(table!).every((other) => other === able || refusalOf(other, {}) !== null)) return;
    countRefusal(able, performance.now() - arrivedMs);
    throw refusal;
  }

  /**
   * Answers at once where nothing has to be waited for. Throws or rejects with a `RequestError` when the request is wrong or
   * no version could answer it.
   */
  predict(call: PredictionCall): PredictionAnswer | Promise<PredictionAnswer> {
    const table = this.#deps.tables.need(call.model);
    const chosen = chooseVersion(table, call);
    if (chosen.resident) return this.#answer(call, { table, chosen });
    return this.#awaken(call, { table, chosen }).then((choice) => this.#answer(call, choice));
  }

  #answer(call: PredictionCall, { table, chosen }: Choice): PredictionAnswer | Promise<PredictionAnswer> {
    const { answerLimitMs, challengerLimitMs } = this.#deps.config;
    const { champion } = table;
    const id = `${this.#idPrefix}${(this.#nextId++).toString(36)}`;
    const mayFallBack = call.version === null && champion !== null && chosen !== champion;
    const limitMs = mayFallBack ? challengerLimitMs : answerLimitMs;
    const first = { table, version: chosen, call, id, startedMs: call.arrivedMs, limitMs };
    return mayFallBack ? this.#attemptOrFallBack(first, champion) : attempt(this.#deps, first);
  }

  #attemptOrFallBack(first: AttemptOf, champion: HostedVersion): PredictionAnswer | Promise<PredictionAnswer> {
    const { call, id, version: challenger } = first;
    const fallBack = (error: unknown): PredictionAnswer | Promise<PredictionAnswer> => {
      // A request that is wrong for both is the caller's; one that only the challenger's signature refuses is not.
      const otherSignature =
        error instanceof RequestError && error.kind === 'invalidRequest' && challenger.signature !== champion.signature;
      if (!(error instanceof RequestError) || !(error.isVersionFault || otherSignature)) throw error;
      challenger.metrics.fallbacks++;
      // The route may have changed while the challenger was waited for.
      const now = this.#deps.tables.need(call.model);
      // The champion's latency counts from here: what the challenger took is held against the challenger.
      const second = { table: now, version: now.champion ?? challenger, call, id, startedMs: performance.now() };
      return attempt(this.#deps, { ...second, limitMs: this.#deps.config.answerLimitMs });
    };
    try {
      const answer = attempt(this.#deps, first);
      return answer instanceof Promise ? answer.catch(fallBack) : answer;
    } catch (error) {
      return fallBack(error);
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
}
