/**
 * What a capture keeps of a field in place of its value. No rule lets a whole value, or more than half of it, through.
 * - `drop`: nothing.
 * - `hash`: HMAC-SHA-256 under the installation's secret, so that equal values still join.
 * - `mask`: `***` and the last `keepLast` characters (default 0), at most half of them.
 * - `truncate`: the first `length` characters, at most half of them.
 */
export type RedactionRule =
  | { readonly field: string; readonly how: 'drop' }
  | { readonly field: string; readonly how: 'hash' }
  | { readonly field: string; readonly how: 'mask'; readonly keepLast?: number }
  | { readonly field: string; readonly how: 'truncate'; readonly length: number };

/** Request and answer as they were observed, written in SageMaker's data-capture format. */
export type BodyCapture = {
  /** Share of the requests, above 0 and at most 100. */
  readonly percent: number;
  readonly input: boolean;
  readonly output: boolean;
};

/** A column that names an entity, such as a customer's number. */
export type EntityColumn = { readonly name: string; readonly datatype: 'INT64' | 'BYTES' };

/** Request fields that a caller may leave out when the request names entities: they come from the online feature store. */
export type EntityOptions = {
  /** Columns that together name an entity; they may be request fields too. */
  readonly key: readonly EntityColumn[];
  /** Request fields that are looked up. */
  readonly features: readonly string[];
  /** How long a looked-up entity is used again without asking; 0 asks each time. */
  readonly ttlMs: number;
  /** Values that were older than this when they were looked up are refused; left out, any age will do. */
  readonly maxAgeMs?: number;
};

/** ONNX Runtime's execution providers that a version can ask for; without one it runs on the CPU. */
export type AcceleratorProvider = 'cuda' | 'tensorrt' | 'webgpu';

/** The accelerator that a model's versions run on. */
export type AcceleratorOptions = {
  readonly provider: AcceleratorProvider;
  /** Whether a gateway without it refuses a version; otherwise the version runs on the CPU there. */
  readonly required: boolean;
  /** Memory of the device that a loaded version is given. */
  readonly memoryMiB: number;
};

/** What is kept of requests beside the prediction itself, and what must not be. */
export type CaptureOptions = { readonly sagemaker?: BodyCapture; readonly redact?: readonly RedactionRule[] };

/** The same in a definition, with how long it is kept: a matter of the registry, not of a package. */
export type KeptCaptureOptions = CaptureOptions & {
  /** Days for which captures, their files and their labels are kept; see `domain/capture-retention.ts` for the default and the least. */
  readonly retentionDays?: number;
};

/** How texts of the inputs are made equal before they are compared; `lowercase` trims as well. */
export type TextNormalisation = 'none' | 'trim' | 'lowercase';

/** Answers kept for requests that feed the model the same. */
export type CacheOptions = {
  /** How long an answer is given again. */
  readonly ttlMs: number;
  /** Answers kept a version; the least recently used go first. */
  readonly maxEntries: number;
  readonly normalize?: TextNormalisation;
};
