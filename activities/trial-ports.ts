import type { ServingSpec } from '../contracts/artifacts.js';
import type { DevicePlace } from '../domain/devices.js';

/** A tensor that goes into or comes out of a model on trial. Row-major. */
export type TrialTensor = { readonly type: string; readonly dims: readonly number[]; readonly data: ArrayBufferView | readonly string[] };
export type TrialTensors = Readonly<Record<string, TrialTensor>>;

/** An input or output that the file itself declares; -1 is a dimension that the caller chooses. */
export type TrialValue = { readonly name: string; readonly type: string; readonly shape: readonly number[] };

/** `memoryBytes` is what the model may take beyond the empty process; `limitMs` is for each step: loading, and each `run`. */
export type TrialLimits = { readonly memoryBytes: number; readonly limitMs: number };

/** Outputs of the last of some runs, how long each took, and what the model holds and held at most meanwhile. */
export type TrialRun = {
  readonly outputs: TrialTensors;
  readonly runsMs: readonly number[];
  readonly bytes: number;
  readonly peakBytes: number;
};

/** A model that was loaded in a process of its own. */
export type ModelTrial = {
  readonly inputs: readonly TrialValue[];
  readonly outputs: readonly TrialValue[];
  readonly loadMs: number;
  /**
   * Runs the model `times` times. `ArtifactRejected` when it crashes, takes too long or too much memory; with
   * `refusedBy: 'model'` among its details when the model only refuses these values.
   */
  run(feeds: TrialTensors, times: number): Promise<TrialRun>;
  close(): Promise<void>;
};

/**
 * Where an ONNX file is opened for the first time: in a process of its own with limits on memory and time, so that a file
 * that crashes the native runtime, hangs or eats memory takes nothing else with it.
 */
export type ModelTrials = {
  /**
   * On the CPU, or where `on` says. `ArtifactRejected` with the reason when the file does not load within the limits; with
   * `refusedBy: 'device'` among its details when no file would, because there is no such device that can be used.
   */
  open(model: Uint8Array, limits: TrialLimits, on?: DevicePlace): Promise<ModelTrial>;
  /** Why a device cannot be used; null when it can. */
  probe(on: DevicePlace, limits: TrialLimits): Promise<string | null>;
  /** Ends the processes kept for the next trial. */
  close(): Promise<void>;
};

/** A tensor as callers of the Open Inference Protocol see it; -1 is a size that the request chooses. */
export type SignatureTensor = { readonly name: string; readonly datatype: string; readonly shape: readonly number[] };

/** What callers of a package send and get, and what it answered to one of them. */
export type PackageAnswers = {
  readonly inputs: readonly SignatureTensor[];
  readonly outputs: readonly SignatureTensor[];
  /** The request that was asked: the given one, or one made of the inputs. */
  readonly example: unknown;
  /** Elements row-major; an integer that a JavaScript number would round is text with all its digits. */
  readonly answers: readonly (SignatureTensor & { readonly data: readonly (number | string | boolean)[] })[];
  /** How long each run took, milliseconds, after those that only warm up. */
  readonly runsMs: readonly number[];
};

/** Asks a package as a gateway does, in a process of its own. */
export type PackageTrials = {
  /**
   * Asks the example, or when it is null a request made of the inputs, and measures up to `runs` runs of it, fewer of a slow
   * model. `ArtifactRejected` with the reason when a gateway would refuse the file or the example, when the file crashes,
   * answers no finite numbers, or answers a row otherwise than the same row in a batch.
   */
  ask(
    contents: { readonly model: Uint8Array; readonly spec: ServingSpec; readonly example: unknown },
    runs: number,
  ): Promise<PackageAnswers>;
};
