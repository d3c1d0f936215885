import type { ImportActivities } from '../contracts/activities.js';
import { evaluateImport } from './imports/evaluate-import.js';
import type { ImportDeps } from './imports/import-deps.js';
import { packageImport } from './imports/package-import.js';
import { cachedStep } from './step-cache.js';

/** Raised by whoever changes what a step answers for the same inputs. */
const codeVersions = { evaluate: '1', package: '1' } as const;

/** Evaluation and packaging of files from elsewhere (queue `cpu`). Expected failures are `ArtifactRejected`. */
export function createImportActivities(deps: ImportDeps): ImportActivities {
  return {
    evaluateImport: (input) => {
      const { definition, imported } = input;
      const { name, task, features, serving } = definition;
      const inputs = { model: name, task, features, serving, imported: named(imported) };
      return cachedStep(deps, { step: 'evaluateImport', context: input, codeVersion: codeVersions.evaluate, inputs }, () =>
        evaluateImport(deps, { definition, imported }),
      );
    },

    packageImport: (input) => {
      const { definition, imported, report } = input;
      const inputs = { definition, imported: named(imported), evaluation: report.object.digest, example: report.example.digest };
      return cachedStep(deps, { step: 'packageImport', context: input, codeVersion: codeVersions.package, inputs }, () =>
        packageImport(deps, { definition, imported, report }),
      );
    },
  };
}

/** What was imported, its objects by their digests alone. */
function named({ onnx, example, expected, ...told }: Parameters<ImportActivities['evaluateImport']>[0]['imported']): unknown {
  return { ...told, onnx: onnx.digest, example: example?.digest, expected: expected?.digest };
}
