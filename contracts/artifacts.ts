import type { FeatureDefinition } from '../domain/features.js';
import type { RequestField } from '../domain/model-definition.js';
import type { AcceleratorOptions, CacheOptions, CaptureOptions, EntityOptions } from '../domain/serving-options.js';

/** A stored object: content-addressed by `sha256:<hex>`. Anything large crosses a boundary as this. */
export type ObjectRef = { readonly digest: string; readonly bytes: number; readonly mediaType: string };

/** A table in the object store (Parquet) with what a reader must know before opening it. */
export type DatasetRef = {
  readonly digest: string;
  readonly object: ObjectRef;
  readonly rows: number;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Half-open event-time range, epoch milliseconds. */
  readonly fromMs: number;
  readonly toMs: number;
  /**
   * Target by event time (TIMESTAMP, DOUBLE) from as far before `fromMs` as the features look back: what lags at the
   * window's beginning are computed from. Absent when the target is not a number (`checkData` says so).
   */
  readonly outcomes?: ObjectRef;
};

/** One file of a model package. */
export type PackageFile = { readonly path: string; readonly digest: string; readonly bytes: number };

/**
 * A model package: `model.onnx`, `serving.json`, the native model, `manifest.json`. Its digest is the SHA-256 of the
 * canonical JSON of `files` sorted by path; every file is an object of its own. `signature` is the object holding the
 * OpenSSF model-signing bundle over exactly these files, absent until it is signed.
 */
export type PackageRef = { readonly digest: string; readonly files: readonly PackageFile[]; readonly signature?: ObjectRef };

/** `serving.json`: all that the gateway needs to answer for a package. */
export type ServingSpec = {
  readonly model: string;
  readonly request: readonly RequestField[];
  readonly features: readonly FeatureDefinition[];
  /** Request field that holds the event time (epoch milliseconds, INT64), or null when the request has none. */
  readonly eventTimeField: string | null;
  readonly subject: readonly string[];
  /** ONNX input that takes the feature matrix [-1, features.length] FP32, and the output that is read. */
  readonly onnx: { readonly input: string; readonly output: string };
  readonly output: { readonly name: string; readonly min?: number; readonly max?: number };
  readonly capture?: CaptureOptions;
  readonly cache?: CacheOptions;
  readonly entities?: EntityOptions;
  readonly accelerator?: AcceleratorOptions;
};
