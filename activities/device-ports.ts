/** What a GPU tells of itself; null where it does not tell. */
export type GpuUsage = {
  readonly uuid: string;
  readonly index: number;
  /** Share of the last moments in which something ran on it, 0 to 1. */
  readonly utilization: number | null;
  readonly memoryUsedBytes: number | null;
  readonly memoryTotalBytes: number | null;
  readonly powerWatts: number | null;
};

/** Whoever knows how much the GPUs of this machine have to do, whosever work it is. */
export type GpuMonitor = {
  /** Null when nobody on this machine knows. `Unavailable` when they did not tell this time. */
  sample(): Promise<readonly GpuUsage[] | null>;
};
