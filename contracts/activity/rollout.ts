import type { ClockRef } from '../../domain/clock.js';
import type { RolloutLimits, RolloutStep } from '../../domain/rollout-plan.js';
import type { StepEvidence } from '../../domain/rollout-verdict.js';
import type { RolloutInput, RolloutResult } from '../rollout.js';

export type RolloutActivities = {
  /** Row of the rollout, stage Staging, alias challenger; refuses (`Conflict`) when an open investigation blocks this version. Idempotent by promotionId. */
  beginRollout(input: RolloutInput): Promise<void>;
  /**
   * Compare-and-set of the model's route; idempotent by (promotionId, stepIndex). Answers the generation that carries it.
   * With share 0 and no shadow the challenger is on standby: loaded, without traffic. `Conflict` when the rollout was ended meanwhile.
   */
  applyRoute(input: {
    model: string;
    promotionId: string;
    stepIndex: number;
    champion: string | null;
    challenger: string;
    share: number;
    shadow: boolean;
  }): Promise<{ generation: number }>;
  /** Heartbeats until every gateway with a fresh lease has acknowledged `generation`; `Unavailable` names those that did not, `ArtifactRejected` when a gateway refused to load it. */
  awaitRoute(input: { model: string; generation: number }): Promise<{ gateways: number }>;
  /** Sends the package's input example to that version on each gateway, and checks the answer. */
  smokeTest(input: { model: string; version: string }): Promise<StepEvidence['verdict']>;
  /**
   * Looks at the live measurements until a verdict, inside one heartbeating activity. `until: 'breach'` returns only on
   * a failed check; `until: 'verdict'` returns at pass, fail, or at `deadlineMs` (model time) with the holding verdict.
   */
  watchStep(input: {
    model: string;
    promotionId: string;
    stepIndex: number;
    step: RolloutStep;
    limits: RolloutLimits;
    champion: string | null;
    challenger: string;
    clock: ClockRef;
    rolloutStartMs: number;
    stepStartMs: number;
    deadlineMs: number;
    until: 'breach' | 'verdict';
  }): Promise<StepEvidence>;
  recordRolloutStep(input: { promotionId: string; stepIndex: number; evidence: StepEvidence }): Promise<void>;
  /** Alias champion by compare-and-set, stages, route 100%, history, audit, outbox: one transaction, idempotent by promotionId. Verifies digest and signature first. */
  promote(input: {
    model: string;
    version: string;
    champion: string | null;
    promotionId: string;
    by: string;
    reason: string;
  }): Promise<{ generation: number }>;
  /** Traffic back to the champion, and (when the challenger was at fault) an investigation and a message: one transaction, idempotent. */
  takeBack(input: {
    model: string;
    version: string;
    champion: string | null;
    promotionId: string;
    reason: string;
    by: string;
    investigate: boolean;
  }): Promise<{ generation: number }>;
  endRollout(input: RolloutResult): Promise<void>;
  /** Alias champion back to `previous`, route 100% there, in one transaction; audited; opens an investigation of the version taken back. */
  rollback(input: {
    model: string;
    by: string;
    reason: string;
    requestId: string;
  }): Promise<{ from: string; to: string; generation: number }>;
};
