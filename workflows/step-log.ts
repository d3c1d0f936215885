import { ActivityFailure, isCancellation, setHandler, upsertSearchAttributes } from '@temporalio/workflow';
import { progressQuery, type RetrainInput } from '../contracts/retrain.js';
import { searchAttributes } from '../contracts/search-attributes.js';
import type { RetrainStep, StepProgress } from '../contracts/steps.js';
import { notes } from './activity-proxies.js';
import { wallNow } from './clock.js';

/** What a step tells when it is done: one line for a person, and whether it was reused from an earlier run. */
export type StepReport<T> = {
  readonly value: T;
  readonly detail: string;
  readonly reusedFrom?: string | undefined;
  readonly refused?: boolean;
};

/**
 * The progress of one run: each step's status with its times and one line, kept for the `progress` query, the `Stage`
 * search attribute and the registry.
 */
export class StepLog {
  readonly steps: StepProgress[] = [];
  readonly startedAtMs = wallNow();
  version: string | null = null;
  readonly #input: RetrainInput;

  constructor(input: RetrainInput) {
    this.#input = input;
    setHandler(progressQuery, () => ({
      run: input.run,
      version: this.version,
      stage: this.steps.at(-1)?.step ?? 'begin',
      steps: this.steps,
    }));
  }

  /** Runs one step and keeps its progress; a failure is noted and goes on to the caller. */
  async step<T>(step: RetrainStep, run: () => Promise<StepReport<T>>): Promise<T> {
    const startedAtMs = wallNow();
    this.note({ step, status: step === 'approval' ? 'waiting' : 'running', startedAtMs });
    upsertSearchAttributes([{ key: searchAttributes.stage, value: stageOf(step) }]);
    try {
      const report = await run();
      const status = report.refused ? 'refused' : report.reusedFrom === undefined ? 'done' : 'reused';
      const detail = report.reusedFrom === undefined ? report.detail : `${report.detail} (unchanged, reused from run ${report.reusedFrom})`;
      await this.close({ step, status, startedAtMs, endedAtMs: wallNow(), detail });
      return report.value;
    } catch (error) {
      if (!isCancellation(error)) await this.close({ step, status: 'failed', startedAtMs, endedAtMs: wallNow(), detail: reasonOf(error) });
      throw error;
    }
  }

  async skip(step: RetrainStep, detail: string): Promise<void> {
    const now = wallNow();
    await this.close({ step, status: 'skipped', startedAtMs: now, endedAtMs: now, detail });
  }

  /** Replaces the line of a step that is under way. */
  note(progress: StepProgress): void {
    const last = this.steps.at(-1);
    if (last?.step === progress.step) this.steps[this.steps.length - 1] = progress;
    else this.steps.push(progress);
  }

  async close(progress: StepProgress): Promise<void> {
    this.note(progress);
    await notes.recordStep({ model: this.#input.model, run: this.#input.run, progress });
  }
}

function stageOf(step: RetrainStep): string {
  return step === 'approval'
    ? 'awaitingApproval'
    : step === 'rollout'
      ? 'rollout'
      : step === 'train' || step === 'refit'
        ? 'training'
        : step;
}

/** The reason of a failure in one line: that of the activity rather than "Activity task failed". */
export function reasonOf(error: unknown): string {
  if (error instanceof ActivityFailure && error.cause !== undefined) return reasonOf(error.cause);
  if (error instanceof Error)
    return error.cause instanceof Error && error.message.endsWith('failed') ? reasonOf(error.cause) : error.message;
  return String(error);
}
