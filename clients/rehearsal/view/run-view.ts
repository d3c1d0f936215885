import type { StepProgress } from '../../../contracts/steps.js';
import { formatDuration, formatNumber } from '../../../domain/format.js';
import type { Style } from '../../cli/output/style.js';
import type { PendingWork, RunWatch } from '../../client/wait-for-run.js';
import type { LiveBlock } from './screen.js';

const nameWidth = 9;

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
    return fresh.map((step) => this.#over(step));
  }

  /** The step at work. */
  block(mark: string): LiveBlock {
    const line = `${mark} ${this.#now()}`;
    return { lines: [line], plain: line };
  }

  #over({ step, status, startedAtMs, endedAtMs = startedAtMs, detail = '' }: StepProgress): string {
    const { good, bad, warn, dim } = this.#style;
    const sign =
      status === 'failed'
        ? bad('✗')
        : status === 'refused'
          ? warn('✗')
          : status === 'reused' || status === 'skipped'
            ? dim('·')
            : good('✓');
    return `${sign} ${step.padEnd(nameWidth)} ${dim(formatDuration(endedAtMs - startedAtMs).padStart(7))}  ${detail}`;
  }

  #now(): string {
    const seen = this.#seen;
    if (seen === null) return 'looking how it stands';
    if (seen.kind === 'queued') return 'it waits behind another run';
    if (seen.kind === 'noWorker') return 'no worker answers; it goes on when one is back';
    const step = seen.progress.steps.at(-1);
    if (step === undefined) return 'it begins';
    const sinceMs = Math.max(0, Date.now() - step.startedAtMs);
    return `${step.step.padEnd(nameWidth)} ${(sinceMs / 1000).toFixed(1).padStart(5)} s  ${this.#work(seen.work)}`;
  }

  #work(work: readonly PendingWork[]): string {
    const texts = work.map((one) => this.#beat(one)).filter((text) => text !== '');
    const trouble = work.find(({ lastFailure }) => lastFailure !== null);
    if (trouble !== undefined) texts.push(`attempt ${trouble.attempt}: ${trouble.lastFailure ?? ''}`);
    return texts.join(', ');
  }

  #beat({ activity, beat }: PendingWork): string {
    if (typeof beat !== 'object' || beat === null || !('purpose' in beat))
      return activity === 'suggestTrial' ? 'choosing the next trial' : '';
    const { purpose, round, rounds, metrics } = beat as Beat;
    const trial = /^trial-(\d+)$/.exec(purpose)?.[1];
    const what = trial === undefined ? purpose : `trial ${Number(trial) + 1} of ${this.#trials}`;
    const far = rounds === undefined || rounds === 0 ? '' : ` round ${round ?? 0} of ${rounds}`;
    const [name, value] = Object.entries(metrics ?? {})[0] ?? [];
    return `${what}${far}${name === undefined || typeof value !== 'number' ? '' : ` (${name} ${formatNumber(value)})`}`;
  }
}

type Beat = { purpose: string; round?: number; rounds?: number; metrics?: Record<string, unknown> };
