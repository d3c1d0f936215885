import type { Capture } from '../../activities/ports.js';
import type { OutcomeHistory } from '../../domain/features.js';
import type { InferRequest } from '../oip/oip-request.js';
import type { NamedTensors } from '../models/tensors.js';

/** A tensor of a model's signature as the protocol tells it; -1 is a size that the request chooses. */
export type SignatureTensor = { readonly name: string; readonly datatype: string; readonly shape: readonly number[] };

/** A request made ready for a version: what the model is fed, and what a capture needs of each row (made when it is asked for). */
export type Prepared = {
  readonly rows: number;
  readonly feeds: NamedTensors;
  readonly records: readonly Capture['inputs'][];
  /** The record of one row alone: of a request with many rows others want their turn in between. */
  recordOf(row: number): Capture['inputs'];
  /** What each row asks; null when the model names no subject. */
  readonly subjects: readonly (string | null)[];
  readonly eventTimesMs: readonly number[];
};

/** An output tensor of an answer. */
export type OutputTensor = {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number | bigint | string>;
};

/** What a version answered: the tensors for the caller, and one figure a row for the capture (null when it has none). */
export type Predicted = { readonly outputs: readonly OutputTensor[]; readonly values: readonly (number | null)[] };

/** What forms without names and types in them are read by: plain data, which another thread can be told. */
export type Signature = Pick<ServingPlan, 'inputs'>;

/** How requests become tensors of one version, and its tensors answers. */
export type ServingPlan = {
  readonly inputs: readonly SignatureTensor[];
  readonly outputs: readonly SignatureTensor[];
  /** Whether requests can be put together along the first dimension. */
  readonly batchable: boolean;
  /** Throws a `RequestError` that names the input and what was expected. */
  prepare(request: InferRequest, context: { readonly history: OutcomeHistory; readonly nowMs: number }): Prepared;
  /** Throws `notFinite` when the model answered NaN or an infinity, `inferenceFailed` when it answered another shape. */
  read(tensors: NamedTensors, rows: number): Predicted;
  /** Feeds for a first run with this many rows, all zeros. */
  sample(rows: number): NamedTensors;
};
