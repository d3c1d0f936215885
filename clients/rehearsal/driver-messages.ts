/** What the driver is told, as one JSON line on its standard input. Closing the input ends it after the hour at hand. */
export type DriverOrder = {
  readonly model: string;
  readonly gatewayUrl: string;
  readonly apiUrl: string;
  readonly token: string;
  /** Folder with the source files of definitions. */
  readonly dataFolder: string;
  /** Model time at which it stops, epoch milliseconds; null: when the data ends. */
  readonly untilMs: number | null;
  /** Hours a second at most. */
  readonly speed: number;
  /** Requests an hour, each by a caller with a key of its own. */
  readonly callers: number;
  /** Model time between the end of an hour and the arrival of its label. */
  readonly labelDelayMs: number;
};

/** Mean error of a version over the labelled hours so far. */
export type VersionError = {
  readonly version: string;
  readonly hours: number;
  /** A fraction for `ape`, the target's unit for `absoluteError`; null before the first labelled hour that counts. */
  readonly error: number | null;
};

export type DriverTotals = {
  readonly hours: number;
  readonly requests: number;
  /** Requests without an answer of 200, whatever the reason. */
  readonly failed: number;
  readonly labels: number;
  readonly errors: readonly VersionError[];
};

/** What the driver tells, one JSON line each on its standard output. */
export type DriverReport =
  | { readonly kind: 'began'; readonly fromMs: number; readonly untilMs: number; readonly hours: number; readonly absent: number }
  | ({
      readonly kind: 'hour';
      /** Where model time stands now. */
      readonly nowMs: number;
      readonly hoursPerSecond: number;
      readonly requestsPerSecond: number;
      /** Answers of this hour by version. */
      readonly answeredBy: Readonly<Record<string, number>>;
    } & DriverTotals)
  /** It stands still, and why. */
  | { readonly kind: 'waiting'; readonly nowMs: number; readonly why: string }
  /** Something that a person should know, such as the first failed requests. */
  | { readonly kind: 'trouble'; readonly message: string }
  | ({ readonly kind: 'ended'; readonly nowMs: number; readonly why: 'reached' | 'noMoreData' | 'stopped' } & DriverTotals);
