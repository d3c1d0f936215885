import type { StepProgress } from '../../../contracts/steps.js';
import { endedStepLine, standstillText, stepNameWidth, workText } from '../../cli/output/step-lines.js';
import type { Style } from '../../cli/output/style.js';
import type { RunWatch } from '../../client/wait-for-run.js';
import type { LiveBlock } from './screen.js';

/** A run as it goes: each step that is over as a line that stays, the one at work as a line that is drawn again. */
export class RunView {
  readonly #style: Style;
  readonly #trials: number;
  readonly #told = new Set<string>();
  #seen: RunWatch | null = null;

  /** @param trials how many the study of this model has */
  constructor({ style, trials }: { style: Style; trials: number }) {
    this.#style = style;
    this.#trials = trials;
  }

  /** Takes what was seen; answers the lines of the steps that are over since. */
  hear(seen: RunWatch): string[] {
    this.#seen = seen;
    return seen.kind === 'progress' ? this.over(seen.progress.steps) : [];
  }

  over(steps: readonly StepProgress[]): string[] {
    const fresh = steps.filter((step) => step.endedAtMs !== undefined && !this.#told.has(step.step));
    for (const { step } of fresh) this.#told.add(step);
    return fresh.map((step) => endedStepLine(step, this.#style));
  }

  /** The step at work. */
  block(mark: string): LiveBlock {
    const line = `${mark} ${this.#now()}`;
    return { lines: [line], plain: line };
  }

  #now(): string {
    const seen = this.#seen;
    if (seen === null) return 'looking how it stands';
    if (seen.kind !== 'progress') return standstillText(seen);
    const step = seen.progress.steps.at(-1);
    if (step === undefined) return 'it begins';
    const sinceMs = Math.max(0, Date.now() - step.startedAtMs);
    return `${step.step.padEnd(stepNameWidth)} ${(sinceMs / 1000).toFixed(1).padStart(5)} s  ${workText(seen.work, this.#trials)}`;
  }
}
