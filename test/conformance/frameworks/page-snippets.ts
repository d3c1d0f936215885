import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDefinition } from '../../../contracts/define-model.js';
import { isImported, type ImportedDefinition } from '../../../domain/model-definition.js';
import { definitionOf } from '../../docs/definition-of.js';

/** What docs/importing-models.md shows, to be run as it stands there. */
export type Shown = {
  /** Code of the programs in Python, by the names that their blocks have. */
  readonly programs: ReadonlyMap<string, string>;
  /** By name of the model. */
  readonly definitions: ReadonlyMap<string, ImportedDefinition>;
};

/** Reads the page. `root` is the clone. */
export async function readShown(root: string): Promise<Shown> {
  const text = await readFile(join(root, 'docs/importing-models.md'), 'utf8');
  const programs = [...text.matchAll(/^```python (\S+)\n([\s\S]*?)^```$/gm)].map(([, name = '', code = '']) => [name, code] as const);
  const definitions = new Map<string, ImportedDefinition>();
  for (const [, code = ''] of text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)) {
    if (!code.includes('defineImportedModel(')) continue;
    const definition = parseDefinition(await definitionOf(code, root));
    if (isImported(definition)) definitions.set(definition.name, definition);
  }
  return { programs: new Map(programs), definitions };
}

/** A program of the page. Throws when there is none of this name. */
export function programOf({ programs }: Shown, name: string): string {
  return found(programs, name);
}

/** A definition of the page. Throws when there is none of this model. */
export function definitionNamed({ definitions }: Shown, model: string): ImportedDefinition {
  return found(definitions, model);
}

function found<T>(blocks: ReadonlyMap<string, T>, name: string): T {
  const block = blocks.get(name);
  if (block === undefined) throw new Error(`docs/importing-models.md has no ${name}: it has ${[...blocks.keys()].join(', ')}`);
  return block;
}
