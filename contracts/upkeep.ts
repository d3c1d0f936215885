/** What an upkeep did with the latency sketches: minutes merged into hours, hours into days, and what was too old. */
export type LatencyUpkeepReport = { readonly minutes: number; readonly hours: number; readonly days: number; readonly forgotten: number };

/** What went of a model because it was older than its retention. */
export type CaptureUpkeepReport = {
  readonly model: string;
  readonly retentionDays: number;
  readonly captures: number;
  readonly labels: number;
};
export type CaptureFileReport = { readonly model: string; readonly retentionDays: number; readonly files: number };

/** What an upkeep did. Models of which nothing went are left out. */
export type UpkeepResult = {
  readonly latencies: LatencyUpkeepReport;
  readonly captures: readonly CaptureUpkeepReport[];
  readonly files: readonly CaptureFileReport[];
};
