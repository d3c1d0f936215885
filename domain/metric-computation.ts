import { PerennialError } from './errors.js';
import type { MetricDefinition, MetricValue } from './metrics.js';

type Numbers = ArrayLike<number>;

/** Actual and predicted values of the same rows, by position. */
export type Predictions = { readonly actual: Numbers; readonly predicted: Numbers };

type Sums = {
  count: number;
  excluded: number;
  absent: number;
  ape: number;
  absolute: number;
  squared: number;
  signed: number;
  actual: number;
};

/**
 * Measures every metric over the rows. With e = predicted - actual:
 * MAPE = mean(|e| / |actual|) over rows whose actual reaches the floor, WAPE = sum|e| / sum|actual|,
 * RMSE = sqrt(mean(e^2)), MAE = mean|e|, bias = mean(e) (positive: the model predicts too much).
 *
 * A row without a finite actual, under the floor, or (for MAPE) with an actual of 0 is left out and counted. A row that
 * counts but has no finite prediction leaves the metric without a figure (`value: null`): a model that answers NaN has
 * none. Throws `DataInvalid` when the two columns differ in length.
 */
export function computeMetrics(definitions: readonly MetricDefinition[], { actual, predicted }: Predictions): MetricValue[] {
  assertSameLength(actual, predicted);
  return definitions.map((definition) => measure(definition, { actual, predicted }));
}

/** Error of one model in one hour of the day (UTC). A residual is actual minus predicted, in the target's unit. */
export type HourlyResidual = {
  readonly hour: number;
  readonly count: number;
  readonly meanResidual: number;
  readonly meanAbsoluteResidual: number;
};

/**
 * Residuals by hour of day, UTC, for the hours that have rows, in order. Rows without a finite actual, prediction or
 * time are left out. Throws `DataInvalid` when the columns differ in length.
 */
export function residualsByHour(eventTimesMs: Numbers, actual: Numbers, predicted: Numbers): HourlyResidual[] {
  assertSameLength(actual, predicted);
  assertSameLength(actual, eventTimesMs);
  const hours = Array.from({ length: 24 }, () => ({ count: 0, sum: 0, absolute: 0 }));
  for (let row = 0; row < actual.length; row += 1) {
    const residual = (actual[row] ?? NaN) - (predicted[row] ?? NaN);
    const hour = hours[((Math.floor((eventTimesMs[row] ?? NaN) / 3_600_000) % 24) + 24) % 24];
    if (hour === undefined || !Number.isFinite(residual)) continue;
    hour.count += 1;
    hour.sum += residual;
    hour.absolute += Math.abs(residual);
  }
  return hours.flatMap(({ count, sum, absolute }, hour) =>
    count === 0 ? [] : [{ hour, count, meanResidual: sum / count, meanAbsoluteResidual: absolute / count }],
  );
}

function measure(definition: MetricDefinition, rows: Predictions): MetricValue {
  const sums = sumUp(definition, rows);
  const figure = sums.absent > 0 || sums.count === 0 ? NaN : figureOf(definition.kind, sums);
  return {
    name: definition.name,
    kind: definition.kind,
    value: Number.isFinite(figure) ? figure : null,
    count: sums.count,
    excluded: sums.excluded + sums.absent,
    ...(definition.kind === 'mape' ? { floor: definition.floor } : {}),
  };
}

function sumUp(definition: MetricDefinition, { actual, predicted }: Predictions): Sums {
  const sums: Sums = { count: 0, excluded: 0, absent: 0, ape: 0, absolute: 0, squared: 0, signed: 0, actual: 0 };
  const relative = definition.kind === 'mape';
  const floor = relative ? definition.floor : -Infinity;
  for (let row = 0; row < actual.length; row += 1) {
    const truth = actual[row] ?? NaN;
    const answer = predicted[row] ?? NaN;
    if (!Number.isFinite(truth) || truth < floor || (relative && truth === 0)) {
      sums.excluded += 1;
      continue;
    }
    if (!Number.isFinite(answer)) {
      sums.absent += 1;
      continue;
    }
    const error = answer - truth;
    sums.count += 1;
    sums.signed += error;
    sums.absolute += Math.abs(error);
    sums.squared += error * error;
    sums.actual += Math.abs(truth);
    if (relative) sums.ape += Math.abs(error / truth);
  }
  return sums;
}

function figureOf(kind: MetricDefinition['kind'], sums: Sums): number {
  switch (kind) {
    case 'mape':
      return sums.ape / sums.count;
    case 'wape':
      return sums.actual === 0 ? NaN : sums.absolute / sums.actual;
    case 'rmse':
      return Math.sqrt(sums.squared / sums.count);
    case 'mae':
      return sums.absolute / sums.count;
    case 'bias':
      return sums.signed / sums.count;
  }
}

function assertSameLength(a: Numbers, b: Numbers): void {
  if (a.length === b.length) return;
  throw new PerennialError(
    'DataInvalid',
    `Columns differ in length: ${a.length} and ${b.length} values. Pass one value of each for every row.`,
  );
}
