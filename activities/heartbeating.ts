import { setTimeout as delay } from 'node:timers/promises';
import { Context } from '@temporalio/activity';

/** How an activity that waits tells its progress, and waits. */
export type Beating = {
  /** The newest progress; it goes out at once and is repeated each second. */
  beat(progress: unknown): void;
  /** Rejects with `CancelledFailure` when the activity is cancelled. */
  sleep(ms: number): Promise<void>;
  readonly signal: AbortSignal;
};

/**
 * Runs work that waits, with a heartbeat each second whatever it waits for: cancellation reaches an activity only
 * through heartbeats. A cancelled activity ends at once, in the middle of a query too; the work ends at its next `sleep`.
 */
export async function heartbeating<T>(work: (beating: Beating) => Promise<T>): Promise<T> {
  const context = Context.current();
  let progress: unknown = null;
  const beat = (newest: unknown) => {
    progress = newest;
    context.heartbeat(newest);
  };
  const timer = setInterval(() => context.heartbeat(progress), 1_000);
  try {
    const working = work({ beat, sleep: (ms) => sleep(ms, context), signal: context.cancellationSignal });
    // After a cancellation nobody waits for it any more.
    working.catch(() => undefined);
    return await Promise.race([working, context.cancelled]);
  } finally {
    clearInterval(timer);
  }
}

/** The context's own `sleep` leaves a reaction at its `cancelled` each time, and a watch sleeps for weeks. */
async function sleep(ms: number, { cancellationSignal: signal, cancelled }: Context): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => cancelled);
}
