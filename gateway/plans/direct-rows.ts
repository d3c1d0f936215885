import type { ServingSpec } from '../../contracts/artifacts.js';
import { halfNumber } from '../models/half.js';
import type { NamedTensors, Tensor } from '../models/tensors.js';
import type { RequestInput } from '../oip/oip-request.js';
import type { RowTexts } from '../oip/row-texts.js';
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
  readonly #inputs: readonly RequestInput[];
  #records: readonly Row[] | undefined;

  constructor(spec: ServingSpec, of: { rows: number; feeds: NamedTensors; nowMs: number; inputs: readonly RequestInput[] }) {
    this.rows = of.rows;
    this.feeds = of.feeds;
    this.#spec = spec;
    this.#nowMs = of.nowMs;
    this.#inputs = of.inputs;
  }

  get records(): readonly Row[] {
    if (this.#records !== undefined) return this.#records;
    const records: Row[] = [];
    for (let row = 0; row < this.rows; row++) records.push(this.#read(row));
    this.#records = records;
    return records;
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

  recordOf(row: number): Row {
    return this.#records?.[row] ?? this.#read(row);
  }

  #read(row: number): Row {
    const record: Row = {};
    for (const name in this.feeds) {
      const tensor = this.feeds[name]!;
      const width = tensor.data.length / this.rows;
      if (!Number.isInteger(width) || width > maxCapturedValues) continue;
      const from = row * width;
      if (width === 1) record[name] = plain(tensor, from);
      else
        record[name] = this.#written(name)?.list(row) ?? JSON.stringify(Array.from({ length: width }, (_, i) => plain(tensor, from + i)));
    }
    return record;
  }

  #written(name: string): RowTexts | undefined {
    for (const input of this.#inputs) if (input.name === name) return input.rowTexts;
    return undefined;
  }
}

function plain(tensor: Tensor, at: number): string | number | boolean {
  const value = tensor.data[at]!;
  if (tensor.type === 'bool') return value === 1;
  if (tensor.type === 'float16') return halfNumber(Number(value));
  return typeof value === 'bigint' ? Number(value) : value;
}
