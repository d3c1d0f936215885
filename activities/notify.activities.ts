import { PerennialError } from '../domain/errors.js';
import type { Notifier } from './ports.js';
import type { OutboxStore } from './registry-ports.js';

export type DeliveryDependencies = { readonly outbox: OutboxStore; readonly notifier: Notifier };

const firstRetryMs = 1_000;
const longestRetryMs = 3_600_000;
/** Longer than any sender takes for one message; after it, what a dead process took is sent by another. */
const leaseMs = 60_000;
/** Sent in one call at most, so that a caller hears back. */
const batch = 20;

/**
 * Sends what is due in the outbox, oldest first, and answers how many messages are left. A message is tried until it is
 * taken, after 1 s, 2 s, 4 s … up to an hour: at least once, never lost. Any number of processes may call it at once.
 */
export async function deliverOutbox(
  { outbox, notifier }: DeliveryDependencies,
  scope: { model?: string } = {},
): Promise<{ delivered: number; left: number }> {
  let delivered = 0;
  for (let tried = 0; tried < batch; tried += 1) {
    // One at a time: a lease then covers one sending, however slow the receiver is.
    const [claimed] = await outbox.claim({ ...scope, limit: 1, leaseMs });
    if (claimed === undefined) break;
    const { notice, attempts } = claimed;
    try {
      await notifier.send(notice);
      delivered += 1;
    } catch (error) {
      await outbox.failed({
        key: notice.key,
        error: error instanceof Error ? error.message : String(error),
        retryInMs: retryInMs(attempts, error),
      });
      continue;
    }
    await outbox.delivered(notice.key);
  }
  return { delivered, left: await outbox.left(scope.model) };
}

/** Wait before the next try: doubled each time, an hour at most, and never less than the receiver asked for. */
export function retryInMs(attempts: number, error: unknown): number {
  const asked = error instanceof PerennialError ? error.details['retryAfterMs'] : undefined;
  const doubled = Math.min(firstRetryMs * 2 ** Math.min(attempts - 1, 30), longestRetryMs);
  return Math.max(doubled, typeof asked === 'number' ? Math.min(asked, longestRetryMs) : 0);
}

/**
 * Delivers for as long as the process lives: looks each `intervalMs`. Trouble with Postgres is told to `onTrouble` and
 * tried again. `stop` ends it after the message that is being sent.
 */
export function followOutbox(
  dependencies: DeliveryDependencies,
  { intervalMs = 1_000, onTrouble }: { intervalMs?: number; onTrouble: (error: unknown) => void },
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await deliverOutbox(dependencies);
      } catch (error) {
        onTrouble(error);
      }
      await pause(intervalMs, stopping.signal);
    }
  };
  const done = loop();
  return {
    async stop() {
      stopping.abort();
      await done;
    },
  };
}

function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, durationMs);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
