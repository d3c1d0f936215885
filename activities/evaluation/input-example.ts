import { PerennialError } from '../../domain/errors.js';
import type { TrainedDefinition, RequestField } from '../../domain/model-definition.js';
import type { FeatureRows } from './evaluation-deps.js';

const exampleRows = 5;

/** An Open Inference Protocol v2 request. */
export type InferenceRequest = {
  readonly inputs: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly datatype: string;
    readonly data: readonly (number | boolean | string)[];
  }[];
};

/**
 * A request for the first rows that a caller could have sent: every field there and inside its bounds. It is the package's
 * `input-example.json`, by which a version is warmed and smoke-tested. `ArtifactRejected` when the rows hold no such row.
 */
export function inputExample(definition: TrainedDefinition, rows: FeatureRows): InferenceRequest {
  const { request } = definition.serving;
  const readers = request.map((field) => ({ field, read: reader(definition, field, rows) }));
  const picked: number[] = [];
  for (let row = 0; row < rows.timesMs.length && picked.length < exampleRows; row++) {
    if (readers.every(({ field, read }) => accepted(field, read(row)))) picked.push(row);
  }
  if (picked.length === 0) {
    throw new PerennialError(
      'ArtifactRejected',
      `no row of the sample is a valid request of ${definition.name}: each has a field that is absent or outside its bounds; widen serving.request`,
    );
  }
  return {
    inputs: readers.map(({ field, read }) => ({
      name: field.name,
      shape: [picked.length],
      datatype: field.datatype,
      data: picked.map((row) => asSent(field, read(row))),
    })),
  };
}

type Value = number | string;

/** Where a field's value is found: the event time, the feature that takes it as it is, else a value inside its bounds. */
function reader(definition: TrainedDefinition, field: RequestField, rows: FeatureRows): (row: number) => Value {
  if (field.name === definition.eventTime) return (row) => rows.timesMs[row]!;
  const place = definition.features.findIndex((feature) => feature.kind === 'input' && feature.column === field.name);
  // Seven digits: 0.24 again, and not the double nearest to its FP32.
  if (place >= 0) return (row) => Number(rows.matrix[row * rows.width + place]!.toPrecision(7));
  return () => (field.datatype === 'BYTES' ? 'example' : (field.min ?? Math.min(0, field.max ?? 0)));
}

function accepted({ min, max }: RequestField, value: Value): boolean {
  return typeof value === 'string' || (Number.isFinite(value) && value >= (min ?? -Infinity) && value <= (max ?? Infinity));
}

function asSent({ datatype }: RequestField, value: Value): number | boolean | string {
  if (typeof value === 'string') return value;
  if (datatype === 'BOOL') return value !== 0;
  return datatype === 'INT64' ? Math.round(value) : value;
}
