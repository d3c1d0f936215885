import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { LifecycleDesk } from './lifecycle-desk.js';
import { reasonOf } from './step-log.js';

/** A command that came by signal: how its shape is checked, and what carries it out. `carryOut` answers why not, or null. */
type Command<T> = {
  readonly action: string;
  readonly payload: T;
  readonly check: (payload: T) => void;
  readonly carryOut: (payload: T) => Promise<string | null>;
};

/**
 * Carries out a command that came by signal. A signal has no validator and no answer: what somebody mistyped, or what cannot be
 * done, is told in the audit, and neither fails the workflow nor waits in it for ever.
 */
export async function bySignal<T>(desk: LifecycleDesk, { action, payload, check, carryOut }: Command<T>): Promise<void> {
  const by = whoSent(payload);
  try {
    check(payload);
  } catch (error) {
    return await desk.audit(action, { by, outcome: 'refused', reason: `the signal was not understood: ${(error as Error).message}` });
  }
  try {
    const reason = await carryOut(payload);
    if (reason !== null) await desk.audit(action, { by, outcome: 'refused', reason });
  } catch (error) {
    if (!(error instanceof ActivityFailure || error instanceof ApplicationFailure)) throw error;
    await desk.audit(action, { by, outcome: 'failed', reason: reasonOf(error) });
  }
}

function whoSent(payload: unknown): string {
  const by = typeof payload === 'object' && payload !== null && 'by' in payload ? payload.by : null;
  return typeof by === 'string' && by.trim() !== '' ? by : 'unknown';
}
