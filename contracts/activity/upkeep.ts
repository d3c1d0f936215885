import type { CaptureFileReport, CaptureUpkeepReport, LatencyUpkeepReport } from '../upkeep.js';

/** Each may be run again at any time, also while it runs elsewhere: it takes up what is left. */
export type UpkeepActivities = {
  /** Merges latency sketches as they age and forgets those past their time. */
  rollUpLatencies(): Promise<LatencyUpkeepReport>;
  /** Forgets captures and labels older than their model's retention, but none that a running rollout is judged by. */
  forgetCaptures(): Promise<CaptureUpkeepReport[]>;
  /** Removes files of captured requests by the same retention. `Unavailable` when their place refuses. */
  removeCaptureFiles(): Promise<CaptureFileReport[]>;
};
