import { digestOf } from '../contracts/digest.js';
import type { ModelDefinition } from '../domain/model-definition.js';
import type { VersionShape } from '../domain/version.js';

/**
 * What decides the next version number: the architecture, what a caller sends and gets, and the recipe (everything that
 * makes a model out of data, `recipeRevision` of the code included). Gates, approval, rollout, schedules and the card
 * are no part of it: changing them changes no model.
 */
export function shapeOf(definition: ModelDefinition, recipeRevision: string): VersionShape {
  const { task, trainer, serving, source, window, eventTime, target, checks, features, split, tuning } = definition;
  return {
    task,
    trainer: trainer.name,
    schemaDigest: digestOf({ request: serving.request, output: serving.output }),
    recipeDigest: digestOf({ source, window, eventTime, target, checks, features, split, trainer, tuning, code: recipeRevision }),
  };
}
