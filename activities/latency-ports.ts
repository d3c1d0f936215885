/**
 * What one gateway measured of one version within one minute of event time: how many rows it answered and failed, and
 * their latencies in bins of `domain/latency-sketch.ts`. Rows of many gateways are merged by adding.
 */
export type LatencyRow = {
  readonly gateway: string;
  readonly model: string;
  readonly version: string;
  /** Whether these are answers of the shadow. */
  readonly shadow: boolean;
  /** Event time in whole minutes since the epoch. */
  readonly eventMinute: number;
  /** Wall time at which the gateway began this row. What is asked about the same minute long after has a row of its own. */
  readonly openedMs: number;
  /** Event times of the earliest and the latest. */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly requests: number;
  /** Those of the requests without a prediction. */
  readonly errors: number;
  /** Bins in ascending order, and how many latencies are in each. */
  readonly bins: readonly number[];
  readonly counts: readonly number[];
};

export type LatencyStore = {
  /** Stores rows, replacing the earlier states of the same ones: a row only grows, so that a retry changes nothing. */
  write(rows: readonly LatencyRow[]): Promise<void>;
};
