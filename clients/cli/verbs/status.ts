import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { workflowIds } from '../../../contracts/ids.js';
import { formatTime } from '../../../domain/format.js';
import type { ModelStatus, ModelSummary, RolloutAnswer, RolloutView } from '../../api/answers.js';
import { isImported, type ModelDefinition } from '../../../domain/model-definition.js';
import type { CliContext } from '../context.js';
import { versionCommand } from '../imported-facts.js';
import { ago, outcomeText } from '../output/figures.js';
import type { Output } from '../output/output.js';
import type { Style } from '../output/style.js';
import { rolloutLines } from '../output/rollout-lines.js';
import { factLines, tableLines } from '../output/table.js';
import { examples, verb } from '../verb.js';

type Options = { readonly watch?: boolean };
type Seen = { readonly status: ModelStatus; readonly rollout: RolloutAnswer; readonly definition: ModelDefinition };

const lookEveryMs = 1_000;

/** `status`: every model in a line, or all of one, with the live table while a rollout runs. */
export function registerStatus(program: Command, context: CliContext): void {
  const command = program
    .command('status [model]')
    .description('how all models stand, or one: live version, runs, approvals that wait, and the rollout with its live table')
    .option('-w, --watch', 'look again each second, until Ctrl-C')
    .addHelpText('after', examples('status', 'status demand-forecast --watch'));
  verb<Options>(command, context, async ({ out, args: [model], options }) => {
    const api = context.api();
    for (;;) {
      if (model === undefined) {
        const models = await api.models();
        out.answer(models, () => show(out, options, overview(models, out)));
      } else {
        const [status, rollout, { definition }] = await Promise.all([api.status(model), api.rollout(model), api.model(model)]);
        out.answer({ ...status, newestRollout: rollout.rollout, live: rollout.live }, () =>
          show(out, options, details({ status, rollout, definition }, context, out)),
        );
      }
      if (options.watch !== true) return;
      await delay(lookEveryMs);
    }
  });
}

function show(out: Output, { watch }: Options, lines: readonly string[]): void {
  if (watch === true && out.live) {
    // A whole screen each time: what is longer than it cannot be drawn over.
    out.line(`\u001b[H\u001b[2J${lines.join('\n')}`);
  } else {
    out.lines(lines);
    if (watch === true) out.line();
  }
}

function overview(models: readonly ModelSummary[], out: Output): string[] {
  if (models.length === 0) return ['No model is published yet. Publish those in models/ with ./perennial apply.'];
  const rows = models.map(({ model, aliases, risk, lastRun, waiting }) => [
    model,
    aliases.champion ?? '-',
    aliases.challenger ?? '-',
    risk,
    lastRun === null ? '-' : `${lastRun.run} ${outcomeText(lastRun.outcome, out.style)}, ${ago(lastRun.startedAtMs)}`,
    waiting.length === 0 ? '-' : out.style.warn(waiting.join(', ')),
  ]);
  const columns = ['model', 'champion', 'challenger', 'risk', 'newest run', 'waits for approval'].map((title) => ({ title }));
  return tableLines(columns, rows, { style: out.style, width: out.live ? out.width : Infinity });
}

function details({ status, rollout, definition }: Seen, context: CliContext, out: Output): string[] {
  const { style } = out;
  const canvas = { style, width: out.live ? out.width : Infinity };
  const { model, aliases, paused } = status;
  const link = context.workflowLink(workflowIds.model(model));
  const facts: [string, string][] = [
    ['champion', aliases.champion ?? 'none: nothing is live'],
    ...(aliases.challenger === undefined ? [] : [['challenger', aliases.challenger] as [string, string]]),
    ...(aliases.previous === undefined
      ? []
      : [['previous', `${aliases.previous} (./perennial rollback ${model} puts it back)`] as [string, string]]),
    ['model time', `${formatTime(status.nowMs)}${status.clock.kind === 'driven' ? ', moved by a driver' : ''}`],
    [
      'triggers',
      paused === null
        ? isImported(definition)
          ? 'none: its versions are imported'
          : 'start runs'
        : style.warn(`paused by ${paused.by}: ${paused.reason} (./perennial resume ${model})`),
    ],
    ['lifecycle', lifecycleText(status, definition, style)],
    ...(link === null ? [] : [['workflow', link] as [string, string]]),
  ];
  const lines = [style.bold(model), ...factLines(facts, style)];
  for (const { version, risk, approvers, expiresAtMs } of status.waiting) {
    lines.push(
      '',
      style.warn(
        `${version} waits for approval (${risk} risk) by ${approvers.length === 0 ? 'nobody: name approvers with ./perennial policy set approvers=…' : approvers.join(' or ')} until ${formatTime(expiresAtMs)}`,
      ),
    );
    lines.push(`  ./perennial approve ${model} ${version}   or   ./perennial reject ${model} ${version}`);
  }
  for (const { version, reason } of status.openInvestigations) {
    lines.push('', style.warn(`${version} is under investigation: ${reason}`), `  ./perennial investigations ${model}`);
  }
  if (rollout.rollout?.status === 'running')
    lines.push('', ...rolloutLines({ ...rollout, rollout: rollout.rollout as RolloutView }, canvas));
  if (status.runs.length > 0) {
    const rows = status.runs
      .slice(0, 5)
      .map((run) => [
        run.run,
        formatTime(run.asOfMs),
        run.trigger,
        run.version ?? '-',
        outcomeText(run.outcome, style),
        ago(run.startedAtMs),
      ]);
    lines.push(
      '',
      ...tableLines(
        ['run', 'as of', 'trigger', 'version', 'outcome', 'started'].map((title) => ({ title })),
        rows,
        canvas,
      ),
    );
    const [newest] = status.runs;
    if (newest?.outcome === 'failed' && newest.outcomeReason !== null)
      lines.push('', style.bad(`${newest.run} failed: ${newest.outcomeReason}`));
  } else lines.push('', `No run yet. ${versionCommand(definition)}`);
  return lines;
}

function lifecycleText({ lifecycle, answeredBy }: ModelStatus, definition: ModelDefinition, style: Style): string {
  if (lifecycle === null)
    return answeredBy === 'notStarted' ? 'starts with the first run' : style.warn('no worker answers; this is what the registry knows');
  const { active, queue, rollout } = lifecycle;
  const imported = isImported(definition);
  const parts = [
    ...active.map(
      ({ run, phase, version }) =>
        `${run}${version === undefined ? '' : ` (${version})`} ${phase === 'training' && imported ? 'is looked at' : phases[phase]}`,
    ),
    ...queue.map(({ run }) => `${run} queues`),
    ...(rollout === null || active.some(({ version }) => version === rollout.version) ? [] : [`${rollout.version} rolls out`]),
  ];
  return parts.length === 0 ? (imported ? 'waits for an import' : 'waits for a trigger') : parts.join('; ');
}

const phases = {
  training: 'trains',
  awaitingApproval: 'waits for approval',
  awaitingRollout: 'waits for its rollout',
  rollingOut: 'rolls out',
} as const;
