import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { parseDefinition } from '../../../contracts/define-model.js';
import type { ModelDefinition } from '../../../domain/model-definition.js';
import { PerennialError } from '../../../domain/errors.js';
import { nodeBundle } from '../../../tools/node-bundle.mjs';

/**
 * The models of the clone: the default exports of `models/*.ts`, bundled into the build folder and validated.
 * @throws PerennialError `DataInvalid` that names the file and each fault
 */
export async function readCatalogue({ root, build: folder }: { root: string; build: string }): Promise<ModelDefinition[]> {
  const models = join(root, 'models');
  const files = (await readdir(models)).filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts')).sort();
  const definitions = await Promise.all(files.map((file) => readModel(join(models, file), folder)));
  const names = definitions.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new PerennialError('DataInvalid', `models/ defines ${twice} twice: give each model a name of its own.`);
  return definitions;
}

async function readModel(path: string, folder: string): Promise<ModelDefinition> {
  const digest = createHash('sha256')
    .update(path)
    .update(await readFile(path))
    .digest('hex')
    .slice(0, 16);
  const output = join(folder, 'models', `${digest}.js`);
  try {
    if ((await stat(output).catch(() => null)) === null) {
      await build({
        entryPoints: [path],
        outfile: output,
        ...nodeBundle,
        logLevel: 'silent',
      });
    }
    const loaded = (await import(pathToFileURL(output).href)) as { default?: unknown };
    if (loaded.default === undefined) throw new Error('it has no default export: write `export default defineModel({…})`');
    return parseDefinition(loaded.default);
  } catch (cause) {
    throw new PerennialError('DataInvalid', `${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
