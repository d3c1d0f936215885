import type { Command } from 'commander';
import type { RetrainAnswer } from '../../../contracts/lifecycle.js';
import type { RunResult } from '../../../contracts/retrain.js';
import { workflowIds } from '../../../contracts/ids.js';
import { formatDuration, formatMetric } from '../../../domain/format.js';
import type { CliContext } from '../context.js';
import { filledOption, momentHelp, momentOption } from '../options.js';
import { outcomeText } from '../output/figures.js';
import type { Output } from '../output/output.js';
import { RunView } from '../output/run-view.js';
import { examples, verb } from '../verb.js';

type Options = {
  readonly asOf?: number;
  readonly cache: boolean;
  readonly wait?: boolean;
  readonly reason?: string;
  readonly by: string;
};
type Run = { readonly model: string; readonly workflowId: string };

/** `train`: asks for a run, and with `--wait` shows it to its end. */
export function registerTrain(program: Command, context: CliContext): void {
  const command = program
    .command('train <model>')
    .description('train a model now, without waiting for its cool-down; it queues behind a run that trains')
    .option('--as-of <time>', `model time that the run sees: ${momentHelp}`, momentOption)
    .option('--no-cache', 'do every step anew, also those whose inputs did not change')
    .option('-w, --wait', 'show each step until the run has ended; exit code 1 when it failed')
    .option('-r, --reason <text>', 'why; it goes into the run and the audit', filledOption)
    .option('--by <name>', 'who asks', filledOption, context.person)
    .addHelpText(
      'after',
      examples(
        'train demand-forecast --as-of 2011-11-01 --wait',
        'train demand-forecast --no-cache --reason "the weather feed was repaired"',
      ),
    );
  verb<Options>(command, context, async ({ out, args: [model = ''], options }) => {
    const client = await context.client();
    const answer = await client.startRetrain(model, {
      by: options.by,
      reason: options.reason ?? 'asked for from the command line',
      useCache: options.cache,
      ...(options.asOf === undefined ? {} : { asOf: new Date(options.asOf) }),
    });
    const link = answer.kind === 'refused' ? null : context.workflowLink(answer.workflowId);
    out.lines(begun(answer, { model, link, out }));
    if (answer.kind === 'refused') {
      out.document(answer);
      return 1;
    }
    if (options.wait !== true) {
      out.document({ ...answer, link });
      if (!out.json) out.line(`Follow it with ./perennial status ${model} --watch`);
      return 0;
    }
    const result = await follow({ model, workflowId: answer.workflowId }, context, out);
    out.answer(runDocument(result), () => out.lines(ended(result, { link, out })));
    return result.outcome === 'failed' ? 1 : 0;
  });
}

/** The one object that `--wait --json` prints last. */
export function runDocument({ run, version, outcome, reason, metrics, gates, seconds }: RunResult) {
  return { run, version, outcome, reason, metrics, gates, seconds };
}

async function follow({ model, workflowId }: Run, context: CliContext, out: Output): Promise<RunResult> {
  const client = await context.client();
  const awaitingApproval = (version: string): string[] => [
    out.style.bold(`! approval   ${model} ${version} waits for a decision. In another terminal:`),
    `    ./perennial approve ${model} ${version}`,
    `    ${context.temporalCommand(`workflow signal --workflow-id ${workflowIds.model(model)} --name approve --input '${JSON.stringify({ version, by: context.person, reason: 'looks right' })}'`)}`,
  ];
  const screen = out.screen();
  const view = new RunView({ style: out.style, awaitingApproval });
  screen.show(() => view.block(screen.turning));
  try {
    const result = await client.waitForRun(workflowId, (seen) => {
      for (const line of view.hear(seen)) screen.say(line);
    });
    // What came after the last look.
    for (const line of view.over(result.steps)) screen.say(line);
    return result;
  } finally {
    screen.end();
  }
}

function begun(answer: RetrainAnswer, { model, link, out }: { model: string; link: string | null; out: Output }): string[] {
  const { style } = out;
  const links = link === null ? [] : [link];
  switch (answer.kind) {
    case 'started':
      return [`Run ${style.bold(answer.run)} of ${model} has started.`, ...links];
    case 'queued':
      return [`Run ${style.bold(answer.run)} of ${model} queues behind ${answer.behind}, which trains now.`, ...links];
    case 'duplicate':
      return [`Run ${style.bold(answer.run)} of ${model} has this as-of time already; no second one starts.`, ...links];
    case 'refused':
      return [`${style.bad('Refused:')} ${answer.reason}`];
  }
}

function ended(result: RunResult, { link, out }: { link: string | null; out: Output }): string[] {
  const { model, run, version, outcome, reason, metrics, seconds } = result;
  return [
    '',
    `Run ${out.style.bold(run)} of ${model}: ${outcomeText(outcome, out.style)} after ${formatDuration(seconds * 1000)}. ${reason}`,
    ...metrics.map((metric) => `  ${formatMetric(metric)}`),
    ...(version === null ? [] : [`  all of it: ./perennial show ${model} ${version}`]),
    ...(link === null ? [] : [link]),
  ];
}
