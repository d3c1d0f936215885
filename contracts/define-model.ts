import { createHash } from 'node:crypto';
import { PerennialError } from '../domain/errors.js';
import { canonicalJson } from '../domain/json.js';
import type { ModelDefinition } from '../domain/model-definition.js';
import { shapeFaults, type DefinitionFault } from './definition-fault.js';
import { ruleFaults } from './definition-rules.js';
import { definitionSchema } from './definition-schema.js';

/**
 * Declares a model: the default export of `models/<name>.ts`. Answers plain JSON.
 * Throws `DataInvalid` that lists every fault with its path, what was expected and what was found.
 */
export function defineModel(definition: ModelDefinition): ModelDefinition {
  return parseDefinition(definition);
}

/**
 * A definition from outside (a file, a request, a row). Unknown fields are refused. The shape is checked first, then what
 * must agree between fields. Throws `DataInvalid` with `details.faults`.
 */
export function parseDefinition(value: unknown): ModelDefinition {
  const parsed = definitionSchema.safeParse(value, { reportInput: true });
  if (!parsed.success) throw invalid(value, shapeFaults(parsed.error.issues));
  const definition: ModelDefinition = parsed.data;
  const faults = ruleFaults(definition);
  if (faults.length > 0) throw invalid(value, faults);
  return definition;
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
