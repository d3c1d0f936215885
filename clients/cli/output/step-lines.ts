import type { StepProgress } from '../../../contracts/steps.js';
import { formatDuration, formatNumber } from '../../../domain/format.js';
import type { PendingWork, RunWatch } from '../../client/wait-for-run.js';
import type { Style } from './style.js';

/** As wide as the longest name of a step. */
export const stepNameWidth = 9;

/** A step that is over: how it ended, how long it took, and what it tells. */
export function endedStepLine({ step, status, startedAtMs, endedAtMs = startedAtMs, detail = '' }: StepProgress, style: Style): string {
  return `${sign(status, style)} ${step.padEnd(stepNameWidth)} ${style.dim(formatDuration(endedAtMs - startedAtMs).padStart(7))}  ${detail}`;
}

function sign(status: StepProgress['status'], { good, bad, warn, dim }: Style): string {
  if (status === 'failed') return bad('✗');
  if (status === 'refused') return warn('✗');
  return status === 'reused' || status === 'skipped' ? dim('·') : good('✓');
}

/** Why there is no progress to show. */
export function standstillText({ kind }: Exclude<RunWatch, { kind: 'progress' }>): string {
  return kind === 'queued' ? 'it waits behind another run' : 'no worker answers; it goes on when one is back';
}

/**
 * What the activities of a step are at, as they beat, and what an earlier attempt failed of; empty when there is nothing to tell.
 * @param trials how many the study has, where that is known
 */
export function workText(work: readonly PendingWork[], trials?: number): string {
  const texts = work.map((one) => beatText(one, trials)).filter((text) => text !== '');
  const trouble = work.find(({ attempt, lastFailure }) => attempt > 1 && lastFailure !== null);
  if (trouble !== undefined) texts.push(`attempt ${trouble.attempt} after: ${trouble.lastFailure ?? ''}`);
  return texts.join(', ');
}

function beatText({ activity, beat }: PendingWork, trials?: number): string {
  if (typeof beat !== 'object' || beat === null || !('purpose' in beat))
    return activity === 'suggestTrial' ? 'choosing the next trial' : '';
  const { purpose, round, rounds, metrics, message } = beat as Beat;
  const trial = /^trial-(\d+)$/.exec(purpose)?.[1];
  const what = trial === undefined ? purpose : `trial ${Number(trial) + 1}${trials === undefined ? '' : ` of ${trials}`}`;
  const far = rounds === undefined || rounds === 0 ? '' : ` round ${round ?? 0} of ${rounds}`;
  const [name, value] = Object.entries(metrics ?? {})[0] ?? [];
  if (name !== undefined && typeof value === 'number') return `${what}${far} (${name} ${formatNumber(value)})`;
  return `${what}${far}${message === undefined || message === '' ? '' : `: ${message}`}`;
}

/** What a training job beats; see `activities/follow-job.ts`. */
type Beat = {
  readonly purpose: string;
  readonly round?: number;
  readonly rounds?: number;
  readonly metrics?: Record<string, unknown>;
  readonly message?: string;
};
