import type { ClockActivities } from '../contracts/activities.js';
import { heartbeating } from './heartbeating.js';
import type { Clock } from './ports.js';

/** How often a driven clock is read while somebody waits for it, wall time. */
const pollMs = 100;

/** Reading of, and waiting on, driven clocks. `Unavailable` while there is no clock of that name. */
export function createClockActivities({ clock }: { readonly clock: Clock }): ClockActivities {
  const read = (name: string) => clock.now({ kind: 'driven', name });
  return {
    readClock: async ({ name }) => ({ nowMs: await read(name) }),

    awaitClock: ({ name, untilMs }) =>
      heartbeating(async ({ beat, sleep }) => {
        for (let told = NaN; ; await sleep(pollMs)) {
          const nowMs = await read(name);
          if (nowMs >= untilMs) return { nowMs };
          if (nowMs !== told) beat({ clock: name, nowMs, untilMs });
          told = nowMs;
        }
      }),
  };
}
