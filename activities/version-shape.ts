import { digestOf } from '../contracts/digest.js';
import type { ImportedDefinition, TrainedDefinition } from '../domain/model-definition.js';
import type { VersionShape } from '../domain/version.js';

/**
 * What decides the next version number: the architecture, what a caller sends and gets, and the recipe (everything that
 * makes a model out of data, `recipeRevision` of the code included). Gates, approval, rollout, schedules and the card
 * are no part of it: changing them changes no model.
 */
export function shapeOf(definition: TrainedDefinition, recipeRevision: string): VersionShape {
  const { task, trainer, serving, source, window, eventTime, target, checks, features, split, tuning } = definition;
  return {
    task,
    trainer: trainer.name,
    schemaDigest: digestOf({ request: serving.request, output: serving.output }),
    recipeDigest: digestOf({ source, window, eventTime, target, checks, features, split, trainer, tuning, code: recipeRevision }),
  };
}

/** Tensors as callers see them: what is asked for, and what comes back. */
type Signature = { readonly inputs: readonly unknown[]; readonly outputs: readonly unknown[] };

/**
 * The same of an imported version: its input schema is what the gateway takes and answers for the file, its recipe the
 * features and the framework, whatever that framework's version.
 */
export function importedShape(
  definition: ImportedDefinition,
  { signature, framework }: { signature: Signature; framework: string },
): VersionShape {
  return {
    task: definition.task,
    trainer: 'imported',
    schemaDigest: digestOf({ signature, output: definition.serving.output }),
    recipeDigest: digestOf({ features: definition.features, framework: framework.trim().split(/\s+/)[0]?.toLowerCase() }),
  };
}
