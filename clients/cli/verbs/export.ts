import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { digestOf } from '../../../adapters/objects/digest.js';
import { writePackageFolder } from '../../../adapters/serving/package-folder.js';
import { PerennialError } from '../../../domain/errors.js';
import type { CliContext } from '../context.js';
import { filledOption } from '../options.js';
import { examples, verb } from '../verb.js';
import { namedVersion } from './registry.js';

/** `export`: a version's package as a folder, for a machine that reaches neither the registry nor the object store. */
export function registerExport(program: Command, context: CliContext): void {
  const command = program
    .command('export <model-or-uri> [version]')
    .description(
      "write a version's package with its signature into a folder, as a SageMaker container serves it; without a version the live one",
    )
    .requiredOption('--to <folder>', 'a new or empty folder', filledOption)
    .addHelpText('after', examples('export demand-forecast 1.0.1 --to model', 'export models:/demand-forecast@champion --to model'));
  verb<{ to: string }>(command, context, async ({ out, args: [name = '', wanted], options: { to } }) => {
    const api = context.api();
    const { model, version } = await namedVersion(context, name, wanted);
    const { package: pack } = await api.version(model, version);
    const folder = resolve(context.places.root, to);
    await writePackageFolder(
      {
        async getFile(digest, path) {
          const bytes = await api.packageFile({ model, version, digest });
          if (digestOf(bytes) !== digest)
            throw new PerennialError('ArtifactRejected', `The control API answered other bytes for ${digest}: nothing is written of them.`);
          await writeFile(path, bytes, { flag: 'wx' });
        },
      },
      pack,
      folder,
    );
    out.answer({ model, version, folder, digest: pack.digest, files: pack.files.length, signed: pack.signature !== undefined }, () => {
      out.line(
        `${out.style.good('Written:')} ${model} ${version}, ${pack.files.length} files${pack.signature === undefined ? ', not signed' : ' and their signature'}, in ${folder}`,
      );
    });
  });
}
