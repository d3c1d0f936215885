/**
 * One feature of a model, as data. The same code computes it for training and for serving
 * (`domain/feature-computation.ts`); nothing reads an outcome at or after the row's own event time.
 */
export type FeatureDefinition =
  | InputFeature
  | { readonly kind: 'calendar'; readonly name: string; readonly part: 'hour' | 'dayOfWeek' | 'month' | 'dayOfYear' | 'isWeekend' }
  /** The target's outcome `agoMs` before the event time; NaN when that hour has none. */
  | { readonly kind: 'lag'; readonly name: string; readonly agoMs: number }
  /** Mean of the outcomes with `eventTime - windowMs <= time < eventTime`; NaN when there are none. */
  | { readonly kind: 'rollingMean'; readonly name: string; readonly windowMs: number };

/** What the caller sends, as it is. */
export type InputFeature = { readonly kind: 'input'; readonly name: string; readonly column: string };

/** The past of one target: outcomes by event time in epoch milliseconds. */
export type OutcomeHistory = {
  /** The outcome at exactly this time, or undefined. */
  at(timeMs: number): number | undefined;
  /** Sum and count of the outcomes with `fromMs <= time < toMs`. */
  range(fromMs: number, toMs: number): { readonly sum: number; readonly count: number };
};
