import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { PerennialError } from '../../../domain/errors.js';
import { formatPercent, formatTime } from '../../../domain/format.js';
import type { Policy } from '../../../domain/policy.js';
import type { CliContext } from '../context.js';
import { filledOption } from '../options.js';
import { examples, verb } from '../verb.js';

type Options = { readonly reason?: string; readonly by: string; readonly ticket?: string };

/** `policy`: the governance policy, its history, and who may approve. */
export function registerPolicy(program: Command, context: CliContext): void {
  const policy = program
    .command('policy')
    .description('the governance policy: show it, change it, its history; add an approver with a key')
    .addHelpText(
      'after',
      examples(
        'policy',
        'policy set maxLatencyMs=80 approvers=ann,ben --reason "two people now"',
        'policy history',
        'policy add-approver ann --public-key ann.pub.pem',
      ),
    );

  verb(policy.command('show', { isDefault: true }).description('the policy in force'), context, async ({ out }) => {
    const current = await context.api().policy();
    out.answer(current, () => out.facts(policyFacts(current)));
  });

  verb<Options>(
    policy
      .command('set <changes...>')
      .description('make the next version: field=value, fractions as 0.05 or 5%, names joined by commas, null to switch off')
      .option('-r, --reason <text>', 'why; it goes into the audit', filledOption)
      .option('--by <name>', 'who changes it', filledOption, context.person)
      .option('--ticket <id>', 'the ticket that this belongs to', filledOption),
    context,
    async ({ out, args: changes, options: { by, reason, ticket } }) => {
      const change = readChanges(changes.filter((one) => one !== undefined));
      const next = await context.api().changePolicy(change, {
        by,
        reason: reason ?? 'changed from the command line',
        ...(ticket === undefined ? {} : { ticket }),
      });
      out.answer(next, () => {
        out.line(`The policy is at version ${out.style.bold(String(next.version))} now.`);
        out.facts(policyFacts(next));
      });
    },
  );

  verb(policy.command('history').description('every version with who changed it and why'), context, async ({ out }) => {
    const history = await context.api().policyHistory();
    out.answer(history, () => {
      const rows = history.map((one, index) => [
        String(one.policy.version),
        formatTime(one.atMs),
        one.by,
        differences(history[index - 1]?.policy, one.policy),
        one.reason,
      ]);
      out.table(
        ['version', 'at', 'by', 'what', 'why'].map((title) => ({ title })),
        rows,
      );
    });
  });

  verb<{ publicKey: string; reason?: string; by: string }>(
    policy
      .command('add-approver <name>')
      .description("register a person's public key and name the person as an approver")
      .requiredOption('--public-key <file>', 'Ed25519 public key, PEM')
      .option('-r, --reason <text>', 'why; it goes into the audit', filledOption)
      .option('--by <name>', 'who adds the person', filledOption, context.person),
    context,
    async ({ out, args: [name = ''], options: { publicKey: file, by, reason } }) => {
      const publicKey = await readFile(file, 'utf8').catch((cause: unknown) => {
        throw new PerennialError('DataInvalid', `The public key ${file} cannot be read: ${(cause as Error).message}`, { cause });
      });
      const done = await context.api().register({ name, publicKey, approver: true, by, reason: reason ?? 'added from the command line' });
      out.answer({ name, ...done }, () => out.line(`${name} is an approver${done.registered ? '' : ' already known'}; key ${done.keyId}.`));
    },
  );
}

function policyFacts(policy: Policy): [string, string][] {
  return [
    ['version', String(policy.version)],
    ['minAccuracy', `${formatPercent(policy.minAccuracy)} (of classifications)`],
    ['maxLatencyMs', `${policy.maxLatencyMs} (P95 of a single row)`],
    [
      'minRelativeImprovement',
      policy.minRelativeImprovement === null ? 'off' : `${formatPercent(policy.minRelativeImprovement)} better than the champion`,
    ],
    ['maxBias', formatPercent(policy.maxBias)],
    ['autoApproveLowRisk', String(policy.autoApproveLowRisk)],
    ['approvers', policy.approvers.length === 0 ? 'nobody is named: ./perennial policy set approvers=<name>' : policy.approvers.join(', ')],
    ['highRiskRelativeDrop', `${formatPercent(policy.highRiskRelativeDrop)} less accuracy than the champion makes a candidate high risk`],
  ];
}

/** `field=value` texts as a change; values that are no JSON are names. What a field may be is the policy's own rule. */
function readChanges(changes: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    changes.map((change) => {
      const [, field, value] = /^([A-Za-z]+)=(.*)$/s.exec(change) ?? [];
      if (field === undefined || value === undefined)
        throw new PerennialError('DataInvalid', `"${change}" is no change: write field=value, such as maxLatencyMs=80.`);
      return [field, field === 'approvers' ? value.split(',').filter((name) => name !== '') : scalar(value)];
    }),
  );
}

function scalar(value: string): unknown {
  const percent = /^(-?\d+(?:\.\d+)?)%$/.exec(value)?.[1];
  if (percent !== undefined) return Number(percent) / 100;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

function differences(before: Policy | undefined, after: Policy): string {
  if (before === undefined) return 'the first one';
  const changed = Object.entries(after).filter(
    ([field, value]) => field !== 'version' && JSON.stringify(before[field as keyof Policy]) !== JSON.stringify(value),
  );
  return changed
    .map(([field, value]) => `${field} ${JSON.stringify(before[field as keyof Policy])} to ${JSON.stringify(value)}`)
    .join('; ');
}
