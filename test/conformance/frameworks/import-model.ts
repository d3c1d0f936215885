import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createArtifactActivities } from '../../../activities/artifact.activities.js';
import { createImportActivities } from '../../../activities/imports.activities.js';
import type { ObjectStore, PackageSigner, PackageVerifier, StepCache } from '../../../activities/ports.js';
import type { ModelTrials } from '../../../activities/trial-ports.js';
import type { ImportReport } from '../../../contracts/activities.js';
import type { ObjectRef, PackageRef } from '../../../contracts/artifacts.js';
import type { ImportedDefinition } from '../../../domain/model-definition.js';
import { createPackageTrials } from '../../../gateway/models/package-trials.js';

/** Where imports of a suite end: the objects and the key of the world that a gateway serves. */
export type ImportWorld = {
  readonly objects: ObjectStore;
  readonly signer: PackageSigner;
  readonly verifier: PackageVerifier;
  readonly trials: ModelTrials;
  /** Registers a version and gives it all requests of its model. */
  readonly serve: (version: { model: string; version: string; package: PackageRef }) => Promise<void>;
};

const nothingKept: StepCache = { find: () => Promise.resolve(null), store: () => Promise.resolve() };

/**
 * What a run does with a file from elsewhere: evaluates it against what its native model answered, packages, signs and verifies
 * it. `folder` holds `model.onnx`, `request.json` and `answer.json`.
 */
export async function importModel(
  world: ImportWorld,
  { definition, folder }: { definition: ImportedDefinition; folder: string },
): Promise<ImportReport> {
  const { objects, signer, verifier, trials } = world;
  const put = async (file: string, mediaType: string): Promise<ObjectRef> =>
    await objects.put(await readFile(join(folder, file)), mediaType);
  const imported = {
    onnx: await put('model.onnx', 'application/onnx'),
    example: await put('request.json', 'application/json'),
    expected: await put('answer.json', 'application/json'),
  };
  const { name: model } = definition;
  const imports = createImportActivities({ objects, cache: nothingKept, trials: createPackageTrials(trials) });
  const context = { model, run: 'run-1', useCache: false, definition, imported };
  const report = await imports.evaluateImport(context);
  const unsigned = await imports.packageImport({ ...context, report });
  let signed: PackageRef = unsigned;
  const artifacts = createArtifactActivities({ objects, signer, verifier, packageOf: () => Promise.resolve(signed) });
  signed = await artifacts.signPackage({ model, run: 'run-1', useCache: false, package: unsigned, name: `${model}-run-1` });
  await artifacts.verifyPackage({ model, version: '1.0.0' });
  await world.serve({ model, version: '1.0.0', package: signed });
  return report;
}
