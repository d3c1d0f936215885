/** The story that a rehearsal tells: one model, its first version, a week of requests, a month later the next one. Model time, UTC. */
export const rehearsalPlan = {
  model: 'demand-forecast',
  schedule: 'daily',
  firstAsOfMs: Date.UTC(2011, 9, 1),
  /** The week after the first version is replayed until here. */
  weekEndMs: Date.UTC(2011, 9, 8),
  /** The slot of the daily schedule that trains the next version. */
  slotMs: Date.UTC(2011, 10, 1, 2),
} as const;

/** How a rehearsal is told. */
export type RehearsalOptions = {
  readonly once: boolean;
  readonly yes: boolean;
  /** Hours a second at most. */
  readonly speed: number;
  readonly callers: number;
  readonly labelDelayHours: number;
};
