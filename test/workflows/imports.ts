import type { RunPlan } from '../../contracts/activities.js';
import type { ImportedModel } from '../../contracts/imported-model.js';
import { digestOf } from '../../contracts/digest.js';
import type { ImportedDefinition } from '../../domain/model-definition.js';
import { defaultPolicy } from '../../domain/policy-rules.js';
import { tensorsDefinition } from '../support/imported-definitions.js';
import type { AllActivities } from './fake-activities.js';

/** A file that somebody brings, by its name. */
export const fileOf = (name: string): ImportedModel => ({
  onnx: { digest: digestOf(name), bytes: 1_024, mediaType: 'application/onnx' },
  framework: 'xgboost 3.1.2',
});

/** The shape that the fakes' file has. */
export const sameShape = { task: 'regression', trainer: 'imported', schemaDigest: 'sha256:tensors', recipeDigest: 'sha256:xgboost' };

const champion: RunPlan['champion'] = {
  version: '1.0.0',
  package: { digest: 'sha256:champion', files: [] },
  trainedToMs: null,
  shape: sameShape,
};

/** Registry activities of a model whose versions are imported, with a champion of the same tensors. */
export function importing(
  change: { definition?: Partial<ImportedDefinition>; plan?: Partial<RunPlan> } = {},
): Pick<AllActivities, 'activeDefinition' | 'beginRun'> {
  const published = { digest: 'sha256:imported', definition: { ...tensorsDefinition, ...change.definition } };
  return {
    activeDefinition: async () => published,
    beginRun: async () => ({ published, policy: defaultPolicy, architectureChanged: false, champion, ...change.plan }),
  };
}
