import { PerennialError } from './errors.js';
import type { FeatureDefinition, OutcomeHistory } from './features.js';

/** What a feature may look at beside the past: the event time (epoch milliseconds) and the fields that the caller sent. */
export type FeatureRow = {
  readonly timeMs: number;
  readonly inputs: Readonly<Record<string, unknown>>;
};

/** Writes the features of `row` into `out` from `offset` on, in the order of the definitions. Allocates nothing. */
// oxlint-disable-next-line max-params -- called once a row on the hot path: an options object would be garbage a million times
export type FillFeatures = (row: FeatureRow, out: Float32Array, offset: number, history: OutcomeHistory) => void;

const hourMs = 3_600_000;
const dayMs = 86_400_000;

/**
 * Prepares definitions once for many rows. The result is the only code that computes a feature: the gateway calls it for
 * each request, training for each row of the window. Nothing reads an outcome at or after the row's event time.
 */
export function compileFeatures(definitions: readonly FeatureDefinition[]): FillFeatures {
  const steps = definitions.map(compileFeature);
  const width = steps.length;
  // oxlint-disable-next-line max-params -- as its type
  return (row, out, offset, history) => {
    for (let i = 0; i < width; i++) out[offset + i] = steps[i]!(row, history);
  };
}

/** Features of one row, NaN where a lag or a mean has no outcome. For many rows use `compileFeatures`. */
export function computeFeatures(definitions: readonly FeatureDefinition[], row: FeatureRow, history: OutcomeHistory): Float32Array {
  const out = new Float32Array(definitions.length);
  compileFeatures(definitions)(row, out, 0, history);
  return out;
}

/** Columns of a table, by name; all as long as `timesMs`. */
export type FeatureTable = { readonly timesMs: ArrayLike<number>; readonly columns: Readonly<Record<string, ArrayLike<unknown>>> };

/** Features of every row of a table, row-major: `rows` times `definitions.length`. The same code as for one row. */
export function featureMatrix(
  definitions: readonly FeatureDefinition[],
  table: FeatureTable,
  history: OutcomeHistory,
): Float32Array<ArrayBuffer> {
  const rows = table.timesMs.length;
  const width = definitions.length;
  const out = new Float32Array(rows * width);
  const columns = inputColumns(definitions).map((name) => {
    const values = table.columns[name];
    if (values === undefined || values.length !== rows) {
      throw new PerennialError(
        'DataInvalid',
        `column ${name} is an input of the features and is ${values === undefined ? 'missing' : 'too short'}: the table needs ${rows} values of it`,
      );
    }
    return { name, values };
  });
  // A typed array holds numbers alone, which are their own feature: copied column by column, which spares a look-up a value.
  const copied = definitions.map((feature) => (feature.kind === 'input' ? numbersOf(table.columns[feature.column]) : null));
  copied.forEach((values, at) => {
    if (values !== null) for (let i = 0; i < rows; i++) out[i * width + at] = values[i]!;
  });
  const steps = definitions.flatMap((feature, at) => (copied[at] === null ? [{ at, step: compileFeature(feature) }] : []));
  if (steps.length === 0) return out;
  const inputs: Record<string, unknown> = {};
  const row = { timeMs: 0, inputs };
  const sent = columns.filter(({ values }) => numbersOf(values) === null);
  for (let i = 0; i < rows; i++) {
    row.timeMs = table.timesMs[i]!;
    for (const { name, values } of sent) inputs[name] = values[i];
    for (const { at, step } of steps) out[i * width + at] = step(row, history);
  }
  return out;
}

const numbersOf = (values: unknown): Float32Array | Float64Array | null =>
  values instanceof Float32Array || values instanceof Float64Array ? values : null;

/** Columns that the features read from the caller, each once. */
export function inputColumns(definitions: readonly FeatureDefinition[]): string[] {
  return [...new Set(definitions.flatMap((feature) => (feature.kind === 'input' ? [feature.column] : [])))];
}

/** How far back, in milliseconds, outcomes are needed before an event; 0 when none are. */
export function lookbackMs(definitions: readonly FeatureDefinition[]): number {
  return definitions.reduce((longest, feature) => {
    if (feature.kind === 'lag') return Math.max(longest, feature.agoMs);
    return feature.kind === 'rollingMean' ? Math.max(longest, feature.windowMs) : longest;
  }, 0);
}

type Step = (row: FeatureRow, history: OutcomeHistory) => number;

function compileFeature(feature: FeatureDefinition): Step {
  switch (feature.kind) {
    case 'input': {
      const { column, name } = feature;
      return (row) => numberOf(row.inputs[column], name);
    }
    case 'calendar':
      return calendar(feature.part);
    case 'lag': {
      const { agoMs } = feature;
      if (!(agoMs > 0)) throw new PerennialError('DataInvalid', `feature ${feature.name} looks ${agoMs} ms back: it must be more than 0`);
      return (row, history) => history.at(row.timeMs - agoMs) ?? NaN;
    }
    case 'rollingMean': {
      const { windowMs } = feature;
      return (row, history) => {
        const { sum, count } = history.range(row.timeMs - windowMs, row.timeMs);
        return count === 0 ? NaN : sum / count;
      };
    }
  }
}

function numberOf(value: unknown, feature: string): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'bigint') return Number(value);
  if (value === null || value === undefined) return NaN;
  throw new PerennialError(
    'DataInvalid',
    `feature ${feature} needs a number or a boolean, not ${typeof value}: turn text into numbers in the source query`,
  );
}

/** Parts of the UTC calendar. Days of the week count from Sunday, 0; months and days of the year from 1. */
function calendar(part: Extract<FeatureDefinition, { kind: 'calendar' }>['part']): Step {
  switch (part) {
    case 'hour':
      return ({ timeMs }) => Math.floor((timeMs - Math.floor(timeMs / dayMs) * dayMs) / hourMs);
    case 'dayOfWeek':
      return ({ timeMs }) => dayOfWeek(timeMs);
    case 'isWeekend':
      return ({ timeMs }) => (dayOfWeek(timeMs) % 6 === 0 ? 1 : 0);
    case 'month':
      return ({ timeMs }) => new Date(timeMs).getUTCMonth() + 1;
    case 'dayOfYear':
      return ({ timeMs }) => Math.floor((timeMs - Date.UTC(new Date(timeMs).getUTCFullYear(), 0, 1)) / dayMs) + 1;
  }
}

function dayOfWeek(timeMs: number): number {
  // 1970-01-01 was a Thursday, 4.
  const day = (Math.floor(timeMs / dayMs) + 4) % 7;
  return day < 0 ? day + 7 : day;
}
