/**
 * A metric of the evaluation report. `name` is unique in a definition and is what gates refer to.
 * `floor` leaves out rows whose actual value is below it (MAPE explodes near zero); it is shown wherever the figure is.
 */
export type MetricDefinition =
  | { readonly kind: 'mape'; readonly name: string; readonly floor: number }
  | { readonly kind: 'wape'; readonly name: string }
  | { readonly kind: 'rmse'; readonly name: string }
  | { readonly kind: 'mae'; readonly name: string }
  | { readonly kind: 'bias'; readonly name: string };

/** A measured metric. `value` is null when there was nothing to measure: never zero, never NaN. Percentages are fractions (0.15 is 15%). */
export type MetricValue = {
  readonly name: string;
  readonly kind: MetricDefinition['kind'];
  readonly value: number | null;
  /** Rows that entered the figure. */
  readonly count: number;
  /** Rows left out by the floor or for want of a finite prediction. */
  readonly excluded: number;
  readonly floor?: number;
};
