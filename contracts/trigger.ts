import type { ClockRef } from '../domain/clock.js';
import type { RunOutcome } from '../domain/outcome.js';
import type { TriggerKind } from './retrain.js';

/** What a schedule starts. The as-of time is the slot, `TemporalScheduledStartTime`, unless `asOfMs` says otherwise. */
export type TriggerInput = {
  readonly model: string;
  readonly clock: ClockRef;
  readonly trigger: TriggerKind;
  readonly reason: string;
  readonly by: string;
  readonly asOfMs?: number;
  /** How late the schedule may start a slot: one that is later than this was started by a backfill. */
  readonly catchUpWindowMs?: number;
};
export type TriggerResult = { readonly run: string | null; readonly outcome: RunOutcome; readonly reason: string };
