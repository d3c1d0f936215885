import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { filledOption } from '../options.js';
import { ago } from '../output/figures.js';
import { examples, verb } from '../verb.js';

/** `investigations`: versions that were taken back and wait for a person to say why. */
export function registerInvestigations(program: Command, context: CliContext): void {
  const investigations = program
    .command('investigations')
    .description('versions that were taken back: they roll out again only after a person closed the investigation')
    .addHelpText(
      'after',
      examples('investigations demand-forecast', 'investigations close demand-forecast:1.0.1:1 --reason "the weather feed was down"'),
    );

  verb(
    investigations.command('list [model]', { isDefault: true }).description('those that are open'),
    context,
    async ({ out, args: [model] }) => {
      const open = await context.api().investigations(model === undefined ? {} : { model });
      out.answer(open, () => {
        if (open.length === 0) return out.line('No investigation is open.');
        const rows = open.map((one) => [one.id, one.model, one.version, ago(one.openedAtMs), one.openedBy, one.reason]);
        out.table(
          ['id', 'model', 'version', 'opened', 'by', 'why'].map((title) => ({ title })),
          rows,
        );
      });
    },
  );

  verb<{ reason: string; by: string }>(
    investigations
      .command('close <id>')
      .description('close one with what was found')
      .requiredOption('-r, --reason <text>', 'what was found', filledOption)
      .option('--by <name>', 'who closes it', filledOption, context.person),
    context,
    async ({ out, args: [id = ''], options: { by, reason } }) => {
      const closed = await context.api().closeInvestigation(id, { by, reason });
      out.answer(closed, () => {
        out.line(`${out.style.good('Closed:')} ${closed.id}.`);
        out.line(`${closed.model} ${closed.version} may be rolled out again: ./perennial promote ${closed.model} ${closed.version}`);
      });
    },
  );
}
