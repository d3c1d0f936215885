import type { StepProgress } from '../../../contracts/steps.js';
import { formatPercent } from '../../../domain/format.js';
import type { RunWatch } from '../../client/wait-for-run.js';
import type { LiveBlock } from './screen.js';
import { endedStepLine, standstillText, stepNameWidth, workText } from './step-lines.js';
import type { Style } from './style.js';

/** The policy may decide by itself, at once; a person is told after this. */
const decidedAtOnceMs = 2_000;

export type RunViewOptions = {
  readonly style: Style;
  /** How many trials the study of this model has, where that is known. */
  readonly trials?: number;
  /** Lines for when a version waits for a decision. */
  readonly awaitingApproval?: (version: string) => readonly string[];
};

/** A run as it goes: each step that is over as a line that stays, the one at work as a line that is drawn again. */
export class RunView {
  readonly #options: RunViewOptions;
  /** Status that was told of a step, by its place and name. */
  readonly #told = new Map<string, StepProgress['status']>();
  #seen: RunWatch | null = null;

  constructor(options: RunViewOptions) {
    this.#options = options;
  }

  /** Takes what was seen; answers lines for what is new: steps that are over, and that people are waited for. */
  hear(seen: RunWatch): string[] {
    this.#seen = seen;
    return seen.kind === 'progress' ? [...this.over(seen.progress.steps), ...this.#asked(seen.progress)] : [];
  }

  /** Lines of the steps that are over and were not told yet. */
  over(steps: readonly StepProgress[]): string[] {
    return steps.flatMap((step, index) =>
      step.endedAtMs !== undefined && this.#isNew(step, index) ? [endedStepLine(step, this.#options.style)] : [],
    );
  }

  /** The step at work. */
  block(mark: string): LiveBlock {
    const line = `${mark} ${this.#now()}`;
    return { lines: [line], plain: line };
  }

  #isNew({ step, status }: StepProgress, index: number): boolean {
    const key = `${index}:${step}`;
    if (this.#told.get(key) === status) return false;
    this.#told.set(key, status);
    return true;
  }

  #asked({ steps, version }: { steps: readonly StepProgress[]; version: string | null }): readonly string[] {
    const index = steps.findLastIndex(({ step, endedAtMs }) => step === 'approval' && endedAtMs === undefined);
    const step = steps[index];
    if (step === undefined || version === null || this.#options.awaitingApproval === undefined) return [];
    if (this.#told.has(`${index}:approval`) || Date.now() - step.startedAtMs < decidedAtOnceMs) return [];
    this.#isNew(step, index);
    return this.#options.awaitingApproval(version);
  }

  #now(): string {
    const seen = this.#seen;
    if (seen === null) return 'looking how it stands';
    if (seen.kind !== 'progress') return standstillText(seen);
    const { progress, work, rollout } = seen;
    const step = progress.steps.findLast(({ endedAtMs }) => endedAtMs === undefined) ?? progress.steps.at(-1);
    if (step === undefined) return 'it begins';
    const seconds = (Math.max(0, Date.now() - step.startedAtMs) / 1000).toFixed(1).padStart(5);
    const rolling = rollout === null || step.step !== 'rollout' ? '' : rolloutText(rollout);
    const texts = [step.detail ?? '', workText(work, this.#options.trials), rolling].filter((text) => text !== '');
    return `${step.step.padEnd(stepNameWidth)} ${seconds} s  ${texts.join('; ')}`;
  }
}

type Rolling = { readonly stepName: string; readonly share: number; readonly evidence: readonly { verdict: { reason: string } }[] };

function rolloutText({ stepName, share, evidence }: Rolling): string {
  const last = evidence.at(-1)?.verdict.reason;
  return `${stepName} at ${formatPercent(share)}${last === undefined ? '' : `, before: ${last}`}`;
}
