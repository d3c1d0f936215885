export type ClockActivities = {
  /** The driven clock's time, epoch milliseconds. */
  readClock(input: { name: string }): Promise<{ nowMs: number }>;
  /** Heartbeats until the driven clock reaches `untilMs`. */
  awaitClock(input: { name: string; untilMs: number }): Promise<{ nowMs: number }>;
};
