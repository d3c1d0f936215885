import { createHash } from 'node:crypto';
import { PerennialError } from '../domain/errors.js';
import { canonicalJson } from '../domain/json.js';
import type { z } from 'zod';
import type { ImportedDefinition, ModelDefinition, TrainedDefinition } from '../domain/model-definition.js';
import { fault, shapeFaults, type DefinitionFault } from './definition-fault.js';
import { trainedFaults } from './definition-rules.js';
import { trainedSchema } from './definition-schema.js';
import { importedFaults } from './imported-rules.js';
import { importedSchema } from './imported-schema.js';

/**
 * Declares a model that is trained here: the default export of `models/<name>.ts`. Answers plain JSON.
 * Throws `DataInvalid` that lists every fault with its path, what was expected and what was found.
 */
export function defineModel(definition: TrainedDefinition): TrainedDefinition {
  return checked(trainedSchema, trainedFaults, definition);
}

/** Declares a model whose versions are ONNX files from elsewhere, as `defineModel` does one that is trained here. */
export function defineImportedModel(definition: ImportedDefinition): ImportedDefinition {
  return checked(importedSchema, importedFaults, definition);
}

/**
 * A definition from outside (a file, a request, a row). Unknown fields are refused. The shape is checked first, then what
 * must agree between fields. Throws `DataInvalid` with `details.faults`.
 */
export function parseDefinition(value: unknown): ModelDefinition {
  if (typeof value !== 'object' || value === null || !('versions' in value)) return checked(trainedSchema, trainedFaults, value);
  // Of another value nobody knows which of the two was meant: the faults of either would be beside the point.
  if (value.versions !== 'imported')
    throw invalid(value, [fault('versions', '"imported", or no such field where the versions are trained here', value.versions)]);
  return checked(importedSchema, importedFaults, value);
}

function checked<Definition extends ModelDefinition>(
  schema: z.ZodType<Definition>,
  faultsOf: (definition: Definition) => DefinitionFault[],
  value: unknown,
): Definition {
  const parsed = schema.safeParse(value, { reportInput: true });
  if (!parsed.success) throw invalid(value, shapeFaults(parsed.error.issues));
  const faults = faultsOf(parsed.data);
  if (faults.length > 0) throw invalid(value, faults);
  return parsed.data;
}

/** `sha256:<hex>` of the definition's canonical JSON: the name by which runs refer to it. */
export function definitionDigest(definition: ModelDefinition): string {
  return `sha256:${createHash('sha256').update(canonicalJson(definition)).digest('hex')}`;
}

function invalid(value: unknown, faults: readonly DefinitionFault[]): PerennialError {
  const name = typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string' ? ` of ${value.name}` : '';
  const lines = faults.map(({ path, expected, found }) => `  ${path}: expected ${expected}, found ${found}`);
  return new PerennialError(
    'DataInvalid',
    `the definition${name} has ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}:\n${lines.join('\n')}`,
    {
      details: { faults },
    },
  );
}
