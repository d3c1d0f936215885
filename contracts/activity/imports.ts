import type { ImportedDefinition } from '../../domain/model-definition.js';
import type { VersionShape } from '../../domain/version.js';
import type { ObjectRef, PackageRef } from '../artifacts.js';
import type { ImportedModel } from '../imported-model.js';
import type { Reusable } from '../steps.js';
import type { StepContext } from './step-context.js';

/** How near the file's answers are to those of the native model. */
export type Parity = { readonly values: number; readonly largestDifference: number; readonly tolerance: number };

/** What the first runs of an imported file showed. */
export type ImportReport = {
  /** P95 of runs on the example's first row, milliseconds; on the whole example where rows cannot be told apart. */
  readonly latencyP95Ms: number;
  /** Null when nobody said what the native model answers. */
  readonly parity: Parity | null;
  /** What made the file: as it was told, else as the file says. */
  readonly framework: string;
  /** Decides the version number: the tensors of the file are its input schema. */
  readonly shape: VersionShape;
  /** The example that was asked: the one that came with the file, or one made of its inputs. */
  readonly example: ObjectRef;
  /** `evaluation.json` in the object store. */
  readonly object: ObjectRef;
};

type ImportInput = StepContext & { readonly definition: ImportedDefinition; readonly imported: ImportedModel };

/** Queue `cpu`. */
export type ImportActivities = {
  /**
   * Runs the file in a process of its own, asked as the gateway will ask it. `ArtifactRejected` when it is no ONNX file, keeps
   * data outside, does not fit the definition, crashes, answers no finite numbers, or not what was expected.
   */
  evaluateImport(input: ImportInput): Promise<Reusable<ImportReport>>;
  /** Stores `serving.json`, card and package around the file; nothing is signed yet. */
  packageImport(input: ImportInput & { readonly report: ImportReport }): Promise<Reusable<PackageRef>>;
};
