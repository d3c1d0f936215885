import { sleep } from '@temporalio/workflow';
import type { ClockRef } from '../domain/clock.js';
import { clocks, watches } from './activity-proxies.js';

/**
 * Model time for a workflow (docs/architecture.md, "Two clocks"). The only place that sleeps or reads the time: on a live clock a
 * wait is a durable timer, on a driven one a heartbeating activity on the clock's row.
 */
export type ModelClock = {
  /** Model time, epoch milliseconds. */
  now(): Promise<number>;
  /** Resolves once model time has reached `untilMs`. Cancelled with its scope. */
  until(untilMs: number): Promise<void>;
};

export function modelClock(clock: ClockRef): ModelClock {
  switch (clock.kind) {
    case 'live':
      return {
        now: async () => wallNow(),
        until: async (untilMs) => {
          const waitMs = untilMs - wallNow();
          if (waitMs > 0) await sleep(waitMs);
        },
      };
    case 'driven':
      return {
        now: async () => (await clocks.readClock({ name: clock.name })).nowMs,
        until: async (untilMs) => {
          await watches.awaitClock({ name: clock.name, untilMs });
        },
      };
  }
}

/** Wall time of the workflow (deterministic under replay): for people's time and for how long a step took, never for data windows. */
export function wallNow(): number {
  return Date.now();
}
