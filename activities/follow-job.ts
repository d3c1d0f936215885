import { setTimeout as delay } from 'node:timers/promises';
import { PerennialError } from '../domain/errors.js';
import type { Compute, JobEvent } from './ports.js';
import type { ActivityContext, RunMetrics, TrackedMetric } from './training-ports.js';

export type FollowInput = {
  readonly name: string;
  readonly model: string;
  readonly run: string;
  readonly purpose: string;
  /** A job that says nothing for this long is taken as hung and stopped. */
  readonly silenceLimitMs: number;
};
export type FollowDeps = { readonly compute: Compute; readonly metrics: RunMetrics; readonly context: ActivityContext };

/** What the terminal shows of a job, and where a retried activity reads on. */
export type JobHeartbeat = {
  readonly job: string;
  readonly purpose: string;
  readonly offset: number;
  readonly round: number;
  readonly rounds: number;
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly message: string;
};

const quickPollMs = 100;
const calmPollMs = 500;
const quickForMs = 10_000;
/** Cancellations that say something of this worker, not of the work. */
const goesOn: ReadonlySet<string> = new Set(['WORKER_SHUTDOWN', 'TIMED_OUT']);
/** Ends that say nothing against the work: the next attempt goes on from the checkpoint. */
const passing: ReadonlySet<string> = new Set(['killed', 'stopped', 'busy']);

/**
 * Follows a job to its end: events become heartbeats and tracked metrics. Throws `TrainerFailed` with the last lines when
 * it fails or hangs. When the activity is cancelled the job is stopped and gone before this throws; but when only this
 * worker ends or lost its claim, the job goes on and the next attempt attaches to it.
 */
export async function followJob(deps: FollowDeps, input: FollowInput): Promise<{ folder: string }> {
  const { compute, context } = deps;
  let beat = firstBeat(context.heartbeatDetails, input);
  let readTo = beat.offset;
  let untracked: TrackedMetric[] = [];
  const silence = { ms: 0, signMs: 0 };
  let followedMs = 0;
  for (;;) {
    const state = await compute.describe(input.name);
    // Read after it was described: what a job said before its end is then all there.
    const { events, next } = await compute.events(input.name, readTo);
    readTo = next;
    untracked.push(...events.flatMap((event) => toMetric(event, input.purpose)));
    beat = events.reduce(withEvent, beat);
    if (await tracked(deps, input, untracked)) {
      untracked = [];
      beat = { ...beat, offset: readTo };
    }
    context.heartbeat(beat);
    if (events.length > 0 && state.status !== 'running') continue;
    if (state.status === 'completed') {
      if (untracked.length > 0) await deps.metrics.log({ ...ownerOf(input), metrics: untracked });
      return { folder: state.folder };
    }
    if (state.status === 'failed') throw trainerFailed(input, state);
    if (state.status === 'absent')
      throw trainerFailed(input, { reason: 'its folder was removed while it ran', lastLines: [], kind: 'killed' });
    if (context.cancellationSignal.aborted) await abandon(deps, input);
    const pollMs = followedMs < quickForMs ? quickPollMs : calmPollMs;
    followedMs += pollMs;
    // Counted in polls, not by the clock: a laptop that slept all night has not heard eight hours of silence.
    silence.ms = state.lastSignMs === silence.signMs ? silence.ms + pollMs : 0;
    silence.signMs = state.lastSignMs;
    if (silence.ms >= input.silenceLimitMs) await stopHung(deps, input);
    await delay(pollMs, undefined, { signal: context.cancellationSignal }).catch(() => {});
  }
}

function firstBeat(details: unknown, { name, purpose }: FollowInput): JobHeartbeat {
  const earlier = details as Partial<JobHeartbeat> | undefined;
  if (earlier?.job === name && typeof earlier.offset === 'number') return earlier as JobHeartbeat;
  return { job: name, purpose, offset: 0, round: 0, rounds: 0, metrics: {}, message: '' };
}

function withEvent(beat: JobHeartbeat, event: JobEvent): JobHeartbeat {
  switch (event.kind) {
    case 'progress':
      return { ...beat, round: numberOr(event['round'], beat.round), rounds: numberOr(event['rounds'], beat.rounds) };
    case 'metric':
      return { ...beat, metrics: { ...beat.metrics, [String(event['name'])]: numberOr(event['value'], null) } };
    case 'log':
      return { ...beat, message: String(event['message']).slice(0, 500) };
    case 'result':
      return beat;
  }
}

function toMetric(event: JobEvent, purpose: string): TrackedMetric[] {
  const { name, step } = event;
  if (event.kind !== 'metric' || typeof name !== 'string' || typeof step !== 'number') return [];
  return [{ name: `${purpose}/${name}`, step, value: numberOr(event['value'], null), atMs: event.at }];
}

/** Whether all is kept. A registry that is away for a while must not end a training; what is left is tried at the next look. */
async function tracked(deps: FollowDeps, input: FollowInput, metrics: readonly TrackedMetric[]): Promise<boolean> {
  if (metrics.length === 0) return true;
  return deps.metrics.log({ ...ownerOf(input), metrics }).then(
    () => true,
    () => false,
  );
}

/** The activity was cancelled: always throws the cancellation. */
async function abandon({ compute, context }: FollowDeps, { name }: FollowInput): Promise<never> {
  const why: unknown = await context.cancelled.catch((cancelled: unknown) => cancelled);
  const message = why instanceof Error ? why.message : '';
  if (!goesOn.has(message)) await compute.stop(name);
  throw why;
}

async function stopHung({ compute }: FollowDeps, input: FollowInput): Promise<never> {
  await compute.stop(input.name);
  const after = await compute.describe(input.name);
  const reason = `it said nothing for ${input.silenceLimitMs / 1_000} s, was taken as hung and stopped (the definition's trainer.silenceLimitMs)`;
  throw trainerFailed(input, { reason, kind: 'hung', lastLines: after.status === 'failed' ? after.lastLines : [] });
}

function trainerFailed(input: FollowInput, failed: { reason: string; lastLines: readonly string[]; kind?: string }): PerennialError {
  const said = failed.lastLines.length === 0 ? 'It said nothing.' : `It said last:\n${failed.lastLines.join('\n')}`;
  return new PerennialError('TrainerFailed', `training job ${input.name} (${input.purpose}) failed: ${failed.reason}. ${said}`, {
    retryable: passing.has(failed.kind ?? ''),
    details: { job: input.name, purpose: input.purpose, kind: failed.kind ?? 'crash', reason: failed.reason, lastLines: failed.lastLines },
  });
}

function ownerOf({ model, run }: FollowInput): { model: string; run: string } {
  return { model, run };
}

function numberOr<T>(value: unknown, otherwise: T): number | T {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}
