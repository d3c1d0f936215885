import type { Command } from 'commander';
import { PerennialError } from '../../../domain/errors.js';
import type { CliContext } from '../context.js';
import { filledOption } from '../options.js';
import { readCatalogue } from '../up/catalogue.js';
import { examples, verb } from '../verb.js';

type Options = { readonly reason?: string; readonly by: string; readonly dryRun?: boolean };

/** `apply`: publishes the definitions in models/. */
export function registerApply(program: Command, context: CliContext): void {
  const command = program
    .command('apply [models...]')
    .description('publish the definitions in models/ (or those named): checked first, all or none; schedules follow')
    .option('--dry-run', 'check them and publish nothing')
    .option('-r, --reason <text>', 'why; it goes into the audit', filledOption)
    .option('--by <name>', 'who publishes', filledOption, context.person)
    .addHelpText('after', examples('apply', 'apply demand-forecast --reason "a lag of two days"'));
  verb<Options>(command, context, async ({ out, args, options: { by, reason, dryRun } }) => {
    const wanted = args.filter((name) => name !== undefined);
    const catalogue = await readCatalogue({ root: context.places.root, build: context.places.build });
    const absent = wanted.filter((name) => !catalogue.some((definition) => definition.name === name));
    if (absent.length > 0) {
      throw new PerennialError(
        'Conflict',
        `models/ defines no ${absent.join(', ')}. It defines ${catalogue.map(({ name }) => name).join(', ')}.`,
      );
    }
    const definitions = wanted.length === 0 ? catalogue : catalogue.filter(({ name }) => wanted.includes(name));
    if (dryRun === true) {
      const checked = definitions.map(({ name }) => ({ model: name, valid: true }));
      return out.answer(checked, () => out.line(`${definitions.map(({ name }) => name).join(', ')}: valid; nothing was published.`));
    }
    const published = await context.api().publish(definitions, { by, reason: reason ?? 'applied from the command line' });
    out.answer(published, () => {
      for (const { model, digest, changed } of published)
        out.line(changed ? `${out.style.good('published')}  ${model}  ${digest}` : `unchanged  ${model}  ${digest}`);
    });
  });
}
