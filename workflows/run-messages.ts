import { condition, getExternalWorkflowHandle, setHandler } from '@temporalio/workflow';
import { workflowIds } from '../contracts/ids.js';
import { runEndedSignal, runPhaseSignal } from '../contracts/lifecycle.js';
import { approvalSettledSignal, rolloutEndedSignal, type RetrainInput, type RunResult } from '../contracts/retrain.js';
import type { RolloutResult } from '../contracts/rollout.js';
import { signalQuietly } from './signal-quietly.js';

type Settled = { readonly version: string; readonly status: 'approved' | 'rejected' | 'superseded'; readonly reason: string };

/** What a run hears from `modelLifecycle` and tells it. Handlers are set when it is made, before the first await. */
export class RunMessages {
  #approval: Settled | null = null;
  #rollout: RolloutResult | null = null;
  readonly #input: RetrainInput;

  constructor(input: RetrainInput) {
    this.#input = input;
    setHandler(approvalSettledSignal, (settled) => {
      this.#approval ??= settled;
    });
    setHandler(rolloutEndedSignal, (result) => {
      this.#rollout ??= result;
    });
  }

  /** The settled approval, or null when nobody decided within `timeoutMs` of wall time. */
  async approval(timeoutMs: number): Promise<Settled | null> {
    await condition(() => this.#approval !== null, timeoutMs);
    return this.#approval;
  }

  async rollout(): Promise<RolloutResult> {
    await condition(() => this.#rollout !== null);
    return this.#rollout!;
  }

  async tellPhase(phase: 'awaitingApproval' | 'awaitingRollout', version: string): Promise<void> {
    const { run, requestedBy } = this.#input;
    await signalQuietly(() => this.#lifecycle().signal(runPhaseSignal, { run, phase, version, requestedBy }));
  }

  async tellEnd(result: RunResult): Promise<void> {
    await signalQuietly(() => this.#lifecycle().signal(runEndedSignal, result));
  }

  #lifecycle() {
    return getExternalWorkflowHandle(workflowIds.model(this.#input.model));
  }
}
