import { ApplicationFailure, getExternalWorkflowHandle, isCancellation, uuid4 } from '@temporalio/workflow';
import { workflowIds } from '../contracts/ids.js';
import type { LifecycleInput, RetrainAnswer, RetrainRequest } from '../contracts/lifecycle.js';
import { approvalSettledSignal, rolloutEndedSignal, type RunResult, type TriggerKind } from '../contracts/retrain.js';
import type { RolloutResult } from '../contracts/rollout.js';
import { isImported, wrongKind } from '../domain/model-definition.js';
import { triggerDecision } from '../domain/trigger-decision.js';
import { promptly, registry, serving, temporal, watches } from './activity-proxies.js';
import { modelClock } from './clock.js';
import { startRollout, startRun } from './lifecycle-children.js';
import {
  type ActiveRollout,
  changeRun,
  dropRun,
  type MutableState,
  type QueuedRun,
  rememberAnswer,
  runName,
  supersededBy,
  trainingRun,
} from './lifecycle-state.js';
import { signalQuietly } from './signal-quietly.js';
import { reasonOf } from './step-log.js';

type RunPhase = {
  readonly run: string;
  readonly phase: 'awaitingApproval' | 'awaitingRollout';
  readonly version: string;
  readonly requestedBy: string;
};

/**
 * The work of `modelLifecycle` on its state: takes triggers, starts runs and rollouts one at a time, hears of their end.
 * Work that must not be lost at continue-as-new is in `state`; `tasks` is drained before.
 */
export class LifecycleDesk {
  readonly state: MutableState;
  readonly tasks: (() => Promise<void>)[] = [];
  readonly #model: string;
  readonly #clock: LifecycleInput['clock'];
  #accepting: Promise<unknown> = Promise.resolve();

  constructor(input: LifecycleInput, state: MutableState) {
    this.state = state;
    this.#model = input.model;
    this.#clock = input.clock;
  }

  /** Whether the loop has something to do. */
  hasWork(): boolean {
    return this.tasks.length > 0 || this.#nextRunIsDue() || this.#rolloutIsDue();
  }

  /** One round of the loop: what was left to do, then the next rollout, then the next run. */
  async work(): Promise<void> {
    for (let task = this.tasks.shift(); task !== undefined; task = this.tasks.shift()) await this.#attempt(task);
    if (this.#rolloutIsDue()) await this.#startRollout();
    if (this.#nextRunIsDue()) await this.#attempt(() => this.#oneAtATime(() => this.#startNext()));
  }

  /** Takes a trigger: one answer a `requestId`, one run an as-of time, none inside the cool-down but a person's own. */
  async accept(request: RetrainRequest): Promise<RetrainAnswer> {
    return await this.#oneAtATime(async () => {
      const repeated = this.state.answered.find((answered) => request.requestId !== undefined && answered.requestId === request.requestId);
      if (repeated !== undefined) return repeated.answer;
      const answer = await this.#judge(request);
      rememberAnswer(this.state, request.requestId, answer);
      if (answer.kind === 'refused') await this.audit('retrain', { by: request.by, outcome: 'refused', reason: answer.reason });
      return answer;
    });
  }

  runEnded(result: RunResult): void {
    dropRun(this.state, result.run);
    // Of a run that was cancelled nobody wants the rollout that has not begun.
    if (this.state.waitingRollout?.run === result.run) this.state.waitingRollout = null;
    this.state.lastResult = { ...result, steps: [], rollout: null };
  }

  runPhase({ run, phase, version, requestedBy }: RunPhase): void {
    changeRun(this.state, run, { phase, version });
    if (phase === 'awaitingRollout') this.tasks.push(() => this.#queueRollout({ version, run, requestedBy }));
  }

  rolloutClosed(result: RolloutResult): void {
    const closed = this.state.rollout;
    if (closed === null || closed.promotionId !== result.promotionId) return;
    this.state.rollout = null;
    const run = closed.run;
    // The rollout itself only knows that it was cancelled.
    const told = closed.takenBack === undefined ? result : { ...result, reason: closed.takenBack };
    if (run !== null) this.tasks.push(() => this.#tellRun(run, told));
  }

  /** The version's run goes on (or ends) by what was decided. */
  async approvalSettled(version: string, status: 'approved' | 'rejected' | 'superseded', reason: string): Promise<void> {
    const run = this.state.active.find((active) => active.version === version);
    if (run === undefined) return;
    await signalQuietly(() => getExternalWorkflowHandle(run.workflowId).signal(approvalSettledSignal, { version, status, reason }));
  }

  /** Queues the rollout of an approved version; the run it belongs to hears of its end. */
  queueRolloutOf(version: string, requestedBy: string): void {
    this.tasks.push(() => this.#queueRollout({ version, run: null, requestedBy }));
  }

  /** After a loss or a continue-as-new: what ended while nobody listened. */
  async reconcile(): Promise<void> {
    for (const run of this.state.active) {
      const seen = await temporal.describeRun({ workflowId: run.workflowId });
      if (seen.status === 'running') {
        this.#hearOfEnd(run.workflowId, () => dropRun(this.state, run.run));
        continue;
      }
      if (seen.result !== undefined && 'run' in seen.result) this.runEnded(seen.result);
      else dropRun(this.state, run.run);
    }
    const rollout = this.state.rollout;
    if (rollout === null) return;
    const seen = await temporal.describeRun({ workflowId: rollout.workflowId });
    if (seen.status === 'running') return this.#hearOfEnd(rollout.workflowId, () => this.#rolloutLost(rollout));
    if (seen.result !== undefined && 'promotionId' in seen.result) this.rolloutClosed(seen.result);
    else this.#rolloutLost(rollout);
  }

  async #judge(request: RetrainRequest): Promise<RetrainAnswer> {
    const trigger: TriggerKind = request.trigger ?? 'manual';
    const { state } = this;
    const asOfMs = request.asOf ?? (await modelClock(this.#clock).now());
    const running = trainingRun(state);
    const known = [
      ...state.active,
      ...state.queue.map((queued) => ({ ...queued, workflowId: workflowIds.retrain(this.#model, queued.run) })),
    ];
    const { definition, digest } = await promptly.activeDefinition({ model: this.#model });
    if (isImported(definition) !== (request.imported !== undefined)) return { kind: 'refused', reason: wrongKind(definition) };
    // Two files at one moment are two versions.
    const same = request.imported === undefined ? known.find((run) => run.asOfMs === asOfMs) : undefined;
    const decided = triggerDecision({
      trigger,
      asOfMs,
      paused: state.paused,
      coolDownMs: isImported(definition) ? 0 : definition.retraining.coolDownMs,
      lastRunAsOfMs: state.lastRunAsOfMs,
      running: running?.run ?? null,
      queued: state.queue.map((queued) => queued.run),
      sameSlot: same?.run ?? null,
    });
    if (decided.kind === 'refuse') return { kind: 'refused', reason: decided.reason };
    if (decided.kind === 'duplicate' && same !== undefined) return { kind: 'duplicate', run: same.run, workflowId: same.workflowId };
    state.runCount += 1;
    const run: QueuedRun = {
      run: runName(asOfMs, state.runCount),
      asOfMs,
      trigger,
      by: request.by,
      reason: request.reason,
      useCache: request.useCache ?? true,
      definitionDigest: digest,
      ...(request.imported === undefined ? {} : { imported: request.imported }),
    };
    const workflowId = workflowIds.retrain(this.#model, run.run);
    if (decided.kind === 'queue' && running !== undefined) {
      state.queue = [...state.queue, run];
      return { kind: 'queued', run: run.run, workflowId, behind: running.run };
    }
    await this.#startRun(run, digest);
    return { kind: 'started', run: run.run, workflowId };
  }

  async #startNext(): Promise<void> {
    const [next, ...rest] = this.state.queue;
    if (next === undefined || trainingRun(this.state) !== undefined) return;
    this.state.queue = rest;
    await this.#startRun(next, await this.#digestFor(next));
  }

  async #startRun(queued: QueuedRun, definitionDigest: string): Promise<void> {
    const { run, asOfMs, trigger, by, reason, useCache, imported } = queued;
    const workflowId = workflowIds.retrain(this.#model, run);
    const before = this.state.lastRunAsOfMs;
    this.state.active = [...this.state.active, { run, workflowId, asOfMs, trigger, phase: 'training' }];
    this.state.lastRunAsOfMs = Math.max(before ?? asOfMs, asOfMs);
    const input = {
      model: this.#model,
      run,
      definitionDigest,
      clock: this.#clock,
      asOfMs,
      trigger,
      requestedBy: by,
      reason,
      useCache,
      ...(imported === undefined ? {} : { imported }),
    };
    try {
      const handle = await startRun(input);
      // A run tells its end by signal; this hears of one that was terminated and could not.
      handle.result().catch(() => dropRun(this.state, run));
    } catch (error) {
      if (isCancellation(error)) throw error;
      dropRun(this.state, run);
      this.state.lastRunAsOfMs = before;
      throw ApplicationFailure.nonRetryable(`run ${run} could not be started: ${reasonOf(error)}; ask again`, 'Conflict');
    }
  }

  /** Of what an earlier run of this workflow started there is no handle: one that is terminated would be waited for for ever. */
  #hearOfEnd(workflowId: string, heard: () => void): void {
    void watches.awaitRun({ workflowId }).then(heard, () => undefined);
  }

  /** The definition that is active now; the one at the request when the registry has none any more. */
  async #digestFor(queued: QueuedRun): Promise<string> {
    try {
      return (await registry.activeDefinition({ model: this.#model })).digest;
    } catch (error) {
      if (queued.definitionDigest === undefined) throw error;
      return queued.definitionDigest;
    }
  }

  /** The one workflow of a model must not end because one of its tasks failed: that is told, and the next one goes on. */
  async #attempt(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (isCancellation(error)) throw error;
      await this.audit('lifecycle', { by: 'perennial', outcome: 'failed', reason: reasonOf(error) });
    }
  }

  async #queueRollout(next: { version: string; run: string | null; requestedBy: string }): Promise<void> {
    const reason = `${next.version} is newer and approved`;
    const waiting = this.state.waitingRollout;
    this.state.waitingRollout = next;
    for (const { version, phase } of next.run === null ? [] : supersededBy(this.state, next.run)) {
      if (version === undefined || phase !== 'awaitingApproval') continue;
      await this.#attempt(async () => {
        await registry.settleApproval({ model: this.#model, version, status: 'superseded', reason });
      });
      await this.approvalSettled(version, 'superseded', reason);
    }
    if (waiting !== null && waiting.version !== next.version && waiting.run !== null)
      await this.#tellRun(waiting.run, this.#superseded(waiting.version, reason));
  }

  async #startRollout(): Promise<void> {
    const waiting = this.state.waitingRollout;
    if (waiting === null) return;
    this.state.waitingRollout = null;
    const { version, run, requestedBy } = waiting;
    try {
      const planned = await registry.planRollout({ model: this.#model, version, requestedBy });
      const promotionId = `${this.#model}:${version}:${planned.attempt}`;
      const workflowId = workflowIds.rollout(this.#model, version);
      this.state.rollout = { version, champion: planned.champion, promotionId, workflowId, run };
      if (run !== null) changeRun(this.state, run, { phase: 'rollingOut' });
      const { plan, limits, champion } = planned;
      const clock = this.#clock;
      const handle = await startRollout({ model: this.#model, version, champion, promotionId, run, plan, limits, clock, requestedBy });
      const started = this.state.rollout;
      handle.result().catch(() => this.#rolloutLost(started));
    } catch (error) {
      const outcome: RolloutResult = {
        model: this.#model,
        version,
        promotionId: `${this.#model}:${version}:none`,
        outcome: 'aborted',
        reason: reasonOf(error),
        steps: [],
      };
      this.state.rollout = null;
      await this.audit('rollout', { by: requestedBy, outcome: 'refused', reason: outcome.reason });
      if (run !== null) await this.#tellRun(run, outcome);
    }
  }

  /** A rollout that was terminated left its share of the traffic where it was: that goes back before anything else. */
  #rolloutLost({ version, champion, promotionId }: Pick<ActiveRollout, 'version' | 'champion' | 'promotionId'>): void {
    if (this.state.rollout?.promotionId !== promotionId) return;
    const reason = 'the rollout ended without a word (terminated?)';
    this.tasks.push(async () => {
      await serving.takeBack({ model: this.#model, version, champion, promotionId, reason, by: 'perennial', investigate: false });
      this.rolloutClosed({ model: this.#model, version, promotionId, outcome: 'failed', reason, steps: [] });
    });
  }

  #superseded(version: string, reason: string): RolloutResult {
    return { model: this.#model, version, promotionId: `${this.#model}:${version}:none`, outcome: 'superseded', reason, steps: [] };
  }

  async #tellRun(run: string, result: RolloutResult): Promise<void> {
    await signalQuietly(() => getExternalWorkflowHandle(workflowIds.retrain(this.#model, run)).signal(rolloutEndedSignal, result));
  }

  /** Tells the audit of what was refused or failed. */
  async audit(action: string, entry: { by: string; outcome: 'refused' | 'failed'; reason: string }): Promise<void> {
    await registry.audit({ model: this.#model, action, ...entry, key: `${action}:${uuid4()}` });
  }

  #nextRunIsDue(): boolean {
    return this.state.queue.length > 0 && trainingRun(this.state) === undefined && this.state.paused === null;
  }

  #rolloutIsDue(): boolean {
    return this.state.waitingRollout !== null && this.state.rollout === null;
  }

  async #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#accepting.then(work);
    this.#accepting = mine.catch(() => undefined);
    return await mine;
  }
}
