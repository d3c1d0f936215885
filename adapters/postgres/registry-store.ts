import type { Kysely } from 'kysely';
import type { RegistryStore } from '../../activities/registry-ports.js';
import type { Database } from './database.js';
import { activeDefinition, definitionByDigest } from './definitions.js';
import { currentPolicy } from './policies.js';
import { createRunStore } from './run-store.js';
import { createVersionStore } from './version-store.js';

/** Definitions, runs and versions in Postgres. */
export function createRegistryStore(db: Kysely<Database>): RegistryStore {
  return {
    activeDefinition: (model) => activeDefinition(db, model),
    definition: (model, digest) => definitionByDigest(db, model, digest),
    currentPolicy: () => currentPolicy(db),
    ...createRunStore(db),
    ...createVersionStore(db),
  };
}
