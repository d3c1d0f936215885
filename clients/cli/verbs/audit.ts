import { type Command, Option } from 'commander';
import type { CliContext } from '../context.js';
import { countOption, momentHelp, momentOption } from '../options.js';
import { examples, verb } from '../verb.js';

type Options = {
  readonly model?: string;
  readonly version?: string;
  readonly by?: string;
  readonly action?: string;
  readonly outcome?: string;
  readonly from?: number;
  readonly to?: number;
  readonly limit: number;
  readonly verify?: boolean;
};

const defaultRows = 50;

/** `audit`: who did what when and why; `--verify` checks its chain of hashes. */
export function registerAudit(program: Command, context: CliContext): void {
  const command = program
    .command('audit')
    .description('who did what when and why, newest first; refusals too')
    .option('--model <model>', 'of one model')
    .option('--version <version>', 'of one version')
    .option('--by <name>', 'of one person')
    .option('--action <action>', 'such as approval.decide or policy.edit')
    .addOption(new Option('--outcome <outcome>', 'of those that ended so').choices(['done', 'refused', 'failed']))
    .option('--from <time>', momentHelp, momentOption)
    .option('--to <time>', momentHelp, momentOption)
    .option('-n, --limit <count>', 'most entries', countOption, defaultRows)
    .option('--verify', 'check that no entry was changed or removed; exit code 1 when one was')
    .addHelpText('after', examples('audit --model demand-forecast', 'audit --verify'));
  verb<Options>(command, context, async ({ out, options: { verify, ...rest } }) => {
    const api = context.api();
    if (verify === true) {
      const verdict = await api.verifyAudit();
      out.answer(verdict, () =>
        out.line(
          verdict.kind === 'whole'
            ? `${out.style.good('The audit is whole:')} ${verdict.rows} entries, head ${verdict.head}. Keep the head somewhere else too.`
            : `${out.style.bad('The audit is broken')} at entry ${verdict.sequence}: ${verdict.reason}.`,
        ),
      );
      return verdict.kind === 'whole' ? 0 : 1;
    }
    const { json: _json, ...filter } = rest as typeof rest & { json?: boolean };
    const entries = await api.audit(filter);
    out.answer(entries, () => {
      if (entries.length === 0) return out.line('No entry of the audit is like that.');
      const rows = entries.map((row) => [
        String(row.sequence),
        row.at.slice(0, 19).replace('T', ' '),
        row.model ?? '-',
        row.action,
        `${row.by}${row.identity === 'claimed' ? '' : ` (${row.identity})`}`,
        row.outcome === 'done' ? row.outcome : out.style.warn(row.outcome),
        row.reason,
      ]);
      out.table(
        ['entry', 'at (UTC)', 'model', 'action', 'who', 'outcome', 'why'].map((title) => ({ title })),
        rows,
      );
    });
    return 0;
  });
}
