import type { ObjectRef } from './artifacts.js';

/** An ONNX file that was made elsewhere, and what is known of it. The objects are in the object store already. */
export type ImportedModel = {
  readonly onnx: ObjectRef;
  /** What made it, `xgboost 3.1.2`; what the file says of itself when absent. */
  readonly framework?: string;
  /** A request that the file answers, as Open Inference Protocol JSON; one is made of the file's inputs when absent. */
  readonly example?: ObjectRef;
  /** What the native model answered to `example`, as Open Inference Protocol JSON: the file must answer the same. */
  readonly expected?: ObjectRef;
  /** How far an answer may be from the expected one: relative to it, absolute below 1. Default 1e-4. */
  readonly tolerance?: number;
  /** Event time before which the model saw rows, epoch milliseconds; unknown when absent. */
  readonly trainedToMs?: number;
};
