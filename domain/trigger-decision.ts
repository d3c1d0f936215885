import { formatDuration, formatTime } from './format.js';

/** What asks for a run, and how the model stands. Times are model time; runs are named. */
export type TriggerRequest = {
  readonly trigger: 'schedule' | 'manual' | 'backfill' | 'rehearsal' | 'drift';
  readonly asOfMs: number;
  readonly paused: { readonly by: string; readonly reason: string } | null;
  readonly coolDownMs: number;
  /** As-of time of the last run that began, null when there was none. */
  readonly lastRunAsOfMs: number | null;
  /** The run that trains now. */
  readonly running: string | null;
  readonly queued: readonly string[];
  /** A run, active or queued, with the same as-of time. */
  readonly sameSlot: string | null;
};

export type TriggerDecision = { readonly kind: 'start' | 'queue' | 'duplicate' | 'refuse'; readonly reason: string };

/**
 * Whether a trigger starts a run. One run trains at a time; a slot (as-of time) that a run has already is a duplicate,
 * save a person's own start, which is a duplicate only of one that still waits. A paused model refuses all. Schedules
 * and drift keep the cool-down, in model time since the last run's as-of, and are refused while another run waits; a
 * manual start, a backfill and the rehearsal were asked for on purpose: they ignore both and queue.
 */
export function triggerDecision({
  trigger,
  asOfMs,
  paused,
  coolDownMs,
  lastRunAsOfMs,
  running,
  queued,
  sameSlot,
}: TriggerRequest): TriggerDecision {
  if (!Number.isFinite(asOfMs)) return { kind: 'refuse', reason: `the as-of time ${asOfMs} is none: give epoch milliseconds` };
  if (sameSlot !== null && (trigger !== 'manual' || queued.includes(sameSlot))) {
    return { kind: 'duplicate', reason: `run ${sameSlot} has the as-of time ${formatTime(asOfMs)} already` };
  }
  if (paused !== null) return { kind: 'refuse', reason: `the model is paused by ${paused.by}: ${paused.reason}. Resume it first.` };
  const onPurpose = trigger === 'manual' || trigger === 'backfill' || trigger === 'rehearsal';
  if (!onPurpose && lastRunAsOfMs !== null && !(asOfMs - lastRunAsOfMs >= coolDownMs))
    return { kind: 'refuse', reason: coolDownReason({ asOfMs, lastRunAsOfMs, coolDownMs }) };
  if (!onPurpose && queued.length > 0) return { kind: 'refuse', reason: `skipped: run ${queued[0]} waits already, and will see this data` };
  const ahead = queued.at(-1) ?? running;
  return ahead === null ? { kind: 'start', reason: 'nothing else runs' } : { kind: 'queue', reason: `behind run ${ahead}` };
}

function coolDownReason({ asOfMs, lastRunAsOfMs, coolDownMs }: { asOfMs: number; lastRunAsOfMs: number; coolDownMs: number }): string {
  const since = asOfMs - lastRunAsOfMs;
  return since < 0
    ? `skipped: a run as of ${formatTime(lastRunAsOfMs)} is newer than ${formatTime(asOfMs)}. Use a backfill to run an older slot.`
    : `skipped: the last run was as of ${formatTime(lastRunAsOfMs)}, ${formatDuration(since)} before; the cool-down is ${formatDuration(coolDownMs)}. A manual start does not wait for it.`;
}
