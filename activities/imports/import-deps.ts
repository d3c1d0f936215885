import type { ImportedModel } from '../../contracts/imported-model.js';
import type { ImportedDefinition } from '../../domain/model-definition.js';
import type { StepCacheDeps } from '../step-cache.js';
import type { ObjectStore } from '../ports.js';
import type { PackageTrials } from '../trial-ports.js';

/** What imports need from outside. */
export type ImportDeps = Pick<StepCacheDeps, 'cache'> & { readonly objects: ObjectStore; readonly trials: PackageTrials };

/** A file from elsewhere, and the model that it becomes a version of. */
export type Import = { readonly definition: ImportedDefinition; readonly imported: ImportedModel };

export const jsonType = 'application/json';
