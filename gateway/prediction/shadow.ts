import type { Capture } from '../../activities/ports.js';
import type { CaptureBuffer } from '../watching/capture-buffer.js';
import type { ObservedBody } from '../watching/capture-lines.js';
import type { Redactors } from '../watching/redactors.js';
import type { RequestCaptures } from '../watching/request-captures.js';
import type { GatewayConfig } from '../gateway-config.js';
import { defaultPriority } from '../models/batcher.js';
import type { HostedVersion } from '../models/hosted-version.js';
import type { InferRequest } from '../oip/oip-request.js';
import type { OutcomeCache } from './outcome-cache.js';
import { RequestError } from '../http/request-error.js';
import type { ModelTable } from '../routing/routing-table.js';
import type { Prepared } from '../plans/serving-plan.js';

/** A request that the live version has answered. */
export type AnsweredRequest = {
  readonly ids: readonly string[];
  /** The request as the live version had it, for its event times. */
  readonly live: Prepared;
  /** Whether the live answer was captured: then the shadow's is, too. */
  readonly captured: boolean;
  readonly request: InferRequest;
  readonly key: string | null;
  /** The request as it came, where that is known. */
  readonly observed: ObservedBody | undefined;
};

type Copy = AnsweredRequest & { readonly table: ModelTable; readonly version: HostedVersion; readonly atMs: number };

export type ShadowDeps = {
  readonly outcomes: OutcomeCache;
  readonly captures: CaptureBuffer;
  readonly bodies: RequestCaptures;
  readonly redactors: Redactors;
  readonly config: Pick<GatewayConfig, 'maxShadowWaiting' | 'maxShadowAtWork' | 'shadowLimitMs'>;
};

/** A shadow that serves live requests too serves these first. */
const shadowPriority = 2 * defaultPriority;

/** Event-loop time that one turn may spend on a shadow that runs in place, in milliseconds. */
const turnBudgetMs = 1;

/**
 * Gives the shadow version a copy of each request after its answer was sent. It works behind a bounded queue with a time
 * limit and in small portions between the turns that serve requests: what does not fit is shed and counted, never waited
 * for, and nothing that it does reaches a caller.
 */
export class Shadow {
  readonly #deps: ShadowDeps;
  readonly #atWork = new Map<HostedVersion, number>();
  #waiting: Copy[] = [];
  #scheduled = false;

  constructor(deps: ShadowDeps) {
    this.#deps = deps;
  }

  /** Copies waiting or at work. */
  get pending(): number {
    let pending = this.#waiting.length;
    for (const count of this.#atWork.values()) pending += count;
    return pending;
  }

  /** Takes a copy for the model's shadow, when it has one and there is room. Never throws. */
  offer(table: ModelTable, answered: AnsweredRequest): void {
    const version = table.shadow;
    if (version === null) return;
    if (this.#waiting.length >= this.#deps.config.maxShadowWaiting) {
      version.metrics.shed++;
      return;
    }
    // One that was released to make room comes back when there is some; one that no route names any more does not.
    if (!version.enter()) {
      version.metrics.shed++;
      return version.wake();
    }
    this.#waiting.push({ ...answered, table, version, atMs: performance.now() });
    this.#schedule();
  }

  /** Waits until nothing is left to do, at most `limitMs`. */
  async drain(limitMs: number): Promise<void> {
    const until = performance.now() + limitMs;
    while (this.pending > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#work();
    });
  }

  #work(): void {
    const held: Copy[] = [];
    const now = performance.now();
    for (const copy of this.#waiting) {
      const { version } = copy;
      const atWork = this.#atWork.get(version) ?? 0;
      if (now - copy.atMs > this.#deps.config.shadowLimitMs) {
        version.metrics.shed++;
        version.leave();
      } else if (atWork >= this.#atOnce(version)) {
        held.push(copy);
      } else {
        this.#atWork.set(version, atWork + 1);
        void this.#answer(copy).finally(() => {
          const left = this.#atWork.get(version)! - 1;
          if (left === 0) this.#atWork.delete(version);
          else this.#atWork.set(version, left);
          version.leave();
          this.#schedule();
        });
      }
    }
    this.#waiting = held;
  }

  #atOnce(version: HostedVersion): number {
    const most = this.#deps.config.maxShadowAtWork;
    if (version.placement === 'thread') return most;
    return Math.max(1, Math.min(most, Math.floor(turnBudgetMs / Math.max(version.runMs, 0.001))));
  }

  async #answer(copy: Copy): Promise<void> {
    const { version, request } = copy;
    const startedMs = performance.now();
    let prepared: Prepared | undefined;
    try {
      const nowMs = Date.now();
      prepared = version.plan.prepare({ ...request, outputs: null }, { history: this.#deps.outcomes.history(version.model), nowMs });
      const { feeds, rows } = prepared;
      const wish = { limitMs: this.#deps.config.shadowLimitMs, priority: shadowPriority };
      // As the live request was answered: else a copy's latency would have the turn in it that it leaves to those who wait.
      const outputs = version.batcher.runNow(feeds, rows, wish) ?? (await version.batcher.run(feeds, rows, wish));
      const predicted = version.plan.read(outputs, rows);
      const latencyMs = performance.now() - startedMs;
      version.metrics.shadowAnswered(prepared.rows, latencyMs);
      this.#capture(copy, { prepared, latencyMs, values: predicted.values, error: null });
      if (copy.captured && version.spec.capture?.sagemaker !== undefined)
        this.#deps.bodies.take({ ...copy, prepared, predicted, input: copy.observed, output: undefined, atMs: nowMs });
    } catch (error) {
      const kind = error instanceof RequestError ? error.kind : 'internal';
      if (kind === 'overloaded') return void version.metrics.shed++;
      version.metrics.shadowFailed(kind, prepared?.rows ?? 1);
      this.#capture(copy, { prepared, latencyMs: performance.now() - startedMs, values: null, error: kind });
    }
  }

  #capture(
    copy: Copy,
    of: { prepared: Prepared | undefined; latencyMs: number; values: readonly (number | null)[] | null; error: string | null },
  ): void {
    const { table, version } = copy;
    const { eventTimesMs } = copy.live;
    version.metrics.latencies.observe({ shadow: true, eventTimesMs, values: of.values, latencyMs: of.latencyMs, atMs: Date.now() });
    if (!copy.captured) return;
    const redactor = this.#deps.redactors.of(table);
    copy.ids.forEach((liveId, row) => {
      const capture: Capture = {
        id: liveId,
        model: version.model,
        version: version.version,
        shadow: true,
        generation: table.route.generation,
        key: copy.key,
        subject: of.prepared?.subjects[row] ?? liveId,
        eventTimeMs: eventTimesMs[row]!,
        atMs: Date.now(),
        latencyMs: of.latencyMs,
        predicted: of.values?.[row] ?? null,
        error: of.error,
        inputs: of.prepared?.recordOf(row) ?? {},
        cached: false,
      };
      // Where nothing could be read of the request, the subject is the prediction's id.
      const subject = of.prepared === undefined ? [] : version.spec.subject;
      this.#deps.captures.add(redactor === null ? capture : redactor.capture(capture, subject));
    });
  }
}
