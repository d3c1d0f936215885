import type { ObjectRef, PackageFile, PackageRef, ServingSpec } from '../contracts/artifacts.js';
import type { GatewayKey } from '../contracts/gateway-keys.js';
import type { ClockRef } from '../domain/clock.js';
import type { ErrorPair, VariantMeasurement } from '../domain/rollout-verdict.js';

/**
 * Content-addressed objects. A digest is `sha256:<hex>`. `put` answers only when the bytes are durable and were read back
 * against the digest; putting the same bytes twice is one object. Reads verify: other bytes are `ArtifactRejected`,
 * an absent object is `ArtifactRejected` too, an unreachable store `Unavailable`.
 */
export type ObjectStore = {
  put(bytes: Uint8Array, mediaType: string): Promise<ObjectRef>;
  /** Streams a file in; for anything that does not belong in memory. */
  putFile(path: string, mediaType: string): Promise<ObjectRef>;
  get(digest: string): Promise<Uint8Array>;
  /** Copies the object to a path, written under a temporary name and renamed. */
  getFile(digest: string, path: string): Promise<void>;
  has(digest: string): Promise<boolean>;
};

/** A numeric column of a table; null and NaN are both NaN. */
export type NumberColumn = { readonly name: string; readonly values: Float32Array | Float64Array };

/** A column of values made here. `timestamp` holds epoch milliseconds and becomes TIMESTAMP; the others FLOAT and DOUBLE. */
export type WriteColumn =
  | { readonly kind: 'timestamp'; readonly name: string; readonly values: Float64Array }
  | { readonly kind: 'float'; readonly name: string; readonly values: Float32Array }
  | { readonly kind: 'double'; readonly name: string; readonly values: Float64Array };

/**
 * SQL over files, in a database of its own that ends with the session. It reads and writes below the session's folders
 * alone and has no network. A query that is wrong is `DataInvalid`; a file or memory that fails is `Unavailable`.
 */
export type TableSession = {
  run(sql: string): Promise<void>;
  /** A small result as plain values: timestamps as ISO text, integers as numbers. */
  rows(sql: string): Promise<Record<string, string | number | boolean | null>[]>;
  /** A result of numbers alone (FLOAT or DOUBLE; cast in the query), as typed arrays. */
  numbers(sql: string): Promise<{ rows: number; columns: NumberColumn[] }>;
  /** Columns and types that a query would answer. */
  describe(sql: string): Promise<{ name: string; type: string }[]>;
  /** Writes a query's result as Parquet: the same rows give the same bytes. Answers the rows written. */
  copy(sql: string, path: string): Promise<number>;
  /** Makes a temporary table of columns; its rows keep their order. */
  insert(table: string, columns: readonly WriteColumn[]): Promise<void>;
};
/** The first folder is the one to work in: what does not fit into memory is put there. */
export type Tables = { session<T>(folders: readonly string[], use: (session: TableSession) => Promise<T>): Promise<T> };

/** Copies a source file that is not on this machine (`s3://…`) to a path; `Unavailable` when it cannot be reached. */
export type SourceFiles = { fetch(address: string, path: string): Promise<void> };

/** Reuse of unchanged steps. The key is a digest over step, code version, parameters and input digests. */
export type StepCache = {
  find(key: string): Promise<{ output: unknown; run: string } | null>;
  store(entry: { key: string; step: string; model: string; run: string; output: unknown; inputs: unknown }): Promise<void>;
};

/** Outcomes of a model's target by event time: what lags and rolling means are computed from, in training and serving. */
export type OutcomeStore = {
  upsert(model: string, outcomes: readonly { timeMs: number; value: number }[]): Promise<void>;
  /** Outcomes with `fromMs <= time < toMs`, sorted. */
  range(model: string, fromMs: number, toMs: number): Promise<{ timeMs: number; value: number }[]>;
  /** Those stored after this change number, for gateways that follow; answers the newest number. */
  since(model: string, change: number): Promise<{ outcomes: { timeMs: number; value: number }[]; change: number }>;
};

/** OpenSSF model signing over a package's files. */
export type PackageSigner = { sign(input: { name: string; files: readonly PackageFile[] }): Promise<Uint8Array> };
export type PackageVerifier = {
  /** Throws `ArtifactRejected` naming the first file, digest or key that does not hold. */
  verify(input: { files: readonly PackageFile[]; signature: Uint8Array }): Promise<{ keyId: string; name: string }>;
};

/** A training job on some compute (a child process here, SageMaker there). Named deterministically; describe before create. */
export type JobSpec = {
  readonly name: string;
  readonly trainer: string;
  readonly hyperparameters: Readonly<Record<string, string | number | boolean>>;
  /** Channel name -> object placed at `input/data/<channel>/data.parquet`. */
  readonly channels: Readonly<Record<string, ObjectRef>>;
  readonly inputConfig: Readonly<Record<string, unknown>>;
  /** Key of the checkpoint folder, shared by the attempts of one job. */
  readonly checkpoint: string;
};
export type JobEvent = { readonly kind: 'progress' | 'metric' | 'log' | 'result'; readonly at: number; readonly [field: string]: unknown };
export type JobState =
  | { readonly status: 'absent' }
  | { readonly status: 'running'; readonly lastSignMs: number }
  | { readonly status: 'completed'; readonly folder: string }
  /** `kind` says whose fault it is: what the trainer says of itself, or `killed`, `stopped`, `crash`. */
  | { readonly status: 'failed'; readonly reason: string; readonly lastLines: readonly string[]; readonly kind?: string };
export type Compute = {
  describe(name: string): Promise<JobState>;
  start(spec: JobSpec): Promise<void>;
  /** Events after `offset`; answers the next offset. */
  events(name: string, offset: number): Promise<{ events: JobEvent[]; next: number }>;
  /** Ends it and waits until it is gone. */
  stop(name: string): Promise<void>;
  /** The job's results are stored: what it kept for itself may go. */
  release?(name: string): Promise<void>;
};

/** Live measurements from the captures of all gateways. Times are model (event) time, half-open. */
export type Measurement = {
  variant(input: { model: string; version: string; fromMs: number; toMs: number; shadow: boolean }): Promise<VariantMeasurement>;
  /** One pair a subject that has a label and that both versions answered at least once, shadow answers included. */
  pairs(input: { model: string; champion: string; challenger: string; fromMs: number; toMs: number }): Promise<ErrorPair[]>;
};

export type Clock = { now(clock: ClockRef): Promise<number> };

/** A message to people. Sent from the outbox: at least once, with `key` to tell repeats. */
export type Notice = {
  readonly key: string;
  readonly kind: 'approvalRequested' | 'promoted' | 'rolledBack' | 'gateRefused' | 'runFailed' | 'investigationOpened';
  readonly model: string;
  readonly title: string;
  readonly text: string;
};
export type Notifier = { readonly name: string; send(notice: Notice): Promise<void> };

/** How one model's traffic goes. One row a model, `generation` grows by compare-and-set. */
export type Route = {
  readonly model: string;
  readonly generation: number;
  /** Live variants; weights sum to 1. The first is the champion. None while nothing is live (a first version before its promotion). */
  readonly variants: readonly { readonly version: string; readonly weight: number }[];
  /** Version that gets a copy of every request and whose answers are never returned. */
  readonly shadow: string | null;
  /** Kept loaded and ready for a rollback. */
  readonly standby: readonly string[];
  /** Hash salt of the stickiness, one an experiment. */
  readonly salt: string;
};

/** A version as the gateway loads it. */
export type ServableVersion = {
  readonly model: string;
  readonly version: string;
  readonly package: PackageRef;
  /** The model's name in its package, where it is served under another one. */
  readonly packagedAs?: string;
};

/**
 * Models that whoever runs a gateway loads from folders by names of his own, as SageMaker does with a container. `add`
 * resolves when the model can be asked: `Conflict` for a name that is loaded, `ArtifactRejected` with the reason otherwise.
 */
export type ContainerModels = {
  add(name: string, url: string): Promise<void>;
  /** Answers whether there was one. */
  remove(name: string): boolean;
  list(): readonly { readonly name: string; readonly url: string }[];
};

/** What the gateway needs of the registry. `follow` calls back on change (LISTEN, and a poll each second). */
export type RouteSource = {
  routes(): Promise<Route[]>;
  version(model: string, version: string): Promise<ServableVersion>;
  follow(onChange: () => void): Promise<{ close(): Promise<void> }>;
  renewLease(gateway: { id: string; url: string; ttlMs: number }): Promise<void>;
  dropLease(id: string): Promise<void>;
  acknowledge(ack: { gateway: string; model: string; generation: number; refused: string | null }): Promise<void>;
};

/** One answered (or failed) prediction. `predicted` is null when it failed; `error` is the error type. */
export type Capture = {
  readonly id: string;
  readonly model: string;
  readonly version: string;
  readonly shadow: boolean;
  readonly generation: number;
  readonly key: string | null;
  readonly subject: string;
  readonly eventTimeMs: number;
  readonly atMs: number;
  readonly latencyMs: number;
  readonly predicted: number | null;
  readonly error: string | null;
  readonly inputs: Readonly<Record<string, string | number | boolean | null>>;
  /** Whether the answer was one that the response cache gave again; left out: no. */
  readonly cached?: boolean;
};

export type CaptureStore = {
  write(captures: readonly Capture[]): Promise<void>;
  /** Labels by prediction id or by subject; the first label of a subject stays, a differing second one is refused. Also stores the outcome. */
  label(
    model: string,
    labels: readonly { id?: string; subject?: string; eventTimeMs?: number; value: number }[],
  ): Promise<{ stored: number; refused: { index: number; reason: string }[] }>;
};

/** The keys that callers of the gateway show. */
export type GatewayKeySource = {
  /**
   * Tells the keys now and at each change; answers what ends that. Rejects when they cannot be read now; when they cannot
   * later, `failed` is told and the last ones stay.
   */
  follow(on: { changed(keys: readonly GatewayKey[]): void; failed(error: unknown): void }): Promise<() => void>;
};

/** Where files of observed requests go, by name. A reader finds a file whole or not at all. */
export type CaptureFiles = {
  /**
   * Takes a finished file from this machine to a name such as `demand/champion/2026/11/21/13/05-07-042-….jsonl`; what is
   * there under that name is replaced. `Unavailable` when the place refuses; the file is then still at its path.
   */
  put(name: string, path: string): Promise<void>;
  /** Share of the disk there that is in use, 0 to 1; 0 where there is no such thing. */
  diskUse(): Promise<number>;
};

/** The newest known values of an entity (null where a feature has none), and how old the oldest of them is. */
export type FeatureRow = { readonly values: Readonly<Record<string, string | number | boolean | null>>; readonly ageMs: number };

/** Values of features by entity, as they are now. `Unavailable` when the store is away. */
export type OnlineFeatures = {
  /** A row for each entity, in their order; null for an entity that is not known. */
  lookup(asked: {
    readonly model: string;
    readonly version: string;
    readonly names: readonly string[];
    readonly entities: readonly Readonly<Record<string, string | number>>[];
  }): Promise<readonly (FeatureRow | null)[]>;
};

/**
 * Files under names, where others bring them and fetch them: inputs and results of asynchronous invocations. Its own
 * place alone: a location elsewhere is `DataInvalid`, so is one that holds nothing or more than is allowed; an
 * unreachable store is `Unavailable`.
 */
export type NamedObjects = {
  /** Where a name is, as callers write it: `s3://bucket/prefix/name` or `file:///folder/name`. */
  location(name: string): string;
  /** Copies what a location holds to a path. */
  getFile(location: string, path: string, maxBytes: number): Promise<void>;
  /** Stores a file under a name, whole or not at all. */
  putFile(name: string, path: string, mediaType: string): Promise<void>;
};

export type { ServingSpec };
