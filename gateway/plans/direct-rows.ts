import type { ServingSpec } from '../../contracts/artifacts.js';
import { halfNumber } from '../models/half.js';
import type { NamedTensors, Tensor } from '../models/tensors.js';
import type { Prepared } from './serving-plan.js';
import { subjectOf } from './subject.js';

/** Values of one row that a capture keeps of an input; wider inputs are left out of captures. */
const maxCapturedValues = 64;

type Row = Record<string, string | number | boolean>;

/**
 * The rows of a request whose tensors are the model's own. What captures need of them is made only when it is asked for:
 * most requests of a busy gateway are not captured.
 */
export class DirectRows implements Prepared {
  readonly rows: number;
  readonly feeds: NamedTensors;
  readonly #spec: ServingSpec;
  readonly #nowMs: number;
  #records: readonly Row[] | undefined;

  constructor(spec: ServingSpec, of: { rows: number; feeds: NamedTensors; nowMs: number }) {
    this.rows = of.rows;
    this.feeds = of.feeds;
    this.#spec = spec;
    this.#nowMs = of.nowMs;
  }

  get records(): readonly Row[] {
    const { feeds, rows } = this;
    return (this.#records ??= Array.from({ length: rows }, (_, row) => recordOf(feeds, { row, rows })));
  }

  get subjects(): readonly (string | null)[] {
    const { subject } = this.#spec;
    return subject.length === 0 ? Array<null>(this.rows).fill(null) : this.records.map((record) => subjectOf(subject, record));
  }

  get eventTimesMs(): readonly number[] {
    const { eventTimeField } = this.#spec;
    if (eventTimeField === null) return Array<number>(this.rows).fill(this.#nowMs);
    return this.records.map((record) => {
      const time = record[eventTimeField];
      return typeof time === 'number' ? time : this.#nowMs;
    });
  }
}

function recordOf(feeds: NamedTensors, at: { row: number; rows: number }): Row {
  const record: Row = {};
  for (const [name, tensor] of Object.entries(feeds)) {
    const width = tensor.data.length / at.rows;
    if (!Number.isInteger(width) || width > maxCapturedValues) continue;
    const values = Array.from({ length: width }, (_, i) => plain(tensor, at.row * width + i));
    record[name] = width === 1 ? values[0]! : JSON.stringify(values);
  }
  return record;
}

function plain(tensor: Tensor, at: number): string | number | boolean {
  const value = tensor.data[at]!;
  if (tensor.type === 'bool') return value === 1;
  if (tensor.type === 'float16') return halfNumber(Number(value));
  return typeof value === 'bigint' ? Number(value) : value;
}
