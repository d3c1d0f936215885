import type { Command } from 'commander';
import { workflowIds } from '../../contracts/ids.js';
import type { RetrainAnswer } from '../../contracts/lifecycle.js';
import type { RunResult } from '../../contracts/retrain.js';
import { formatDuration, formatMetric } from '../../domain/format.js';
import type { CliContext } from './context.js';
import { filledOption } from './options.js';
import { outcomeText } from './output/figures.js';
import type { Output } from './output/output.js';
import { RunView } from './output/run-view.js';

/** Gives a verb that asks for a run the options that all of them have. */
export function runOptions(command: Command, context: CliContext): Command {
  return command
    .option('-w, --wait', 'show each step until the run has ended; exit code 1 when it failed')
    .option('-r, --reason <text>', 'why; it goes into the run and the audit', filledOption)
    .option('--by <name>', 'who asks', filledOption, context.person);
}

type Asked = {
  readonly model: string;
  readonly answer: RetrainAnswer;
  /** Show each step until the run has ended. */
  readonly wait: boolean;
  /** What the run ahead is at, of one that queues: `trains`. */
  readonly ahead: string;
  /** What to do next, where the run is not waited for. */
  readonly next: readonly string[];
};
type Told = { readonly model: string; readonly link: string | null; readonly out: Output };

/** Tells what became of a request for a run, and shows the run to its end when that is wanted; the exit code. */
export async function tellAskedRun({ model, answer, wait, ahead, next }: Asked, context: CliContext, out: Output): Promise<number> {
  const link = answer.kind === 'refused' ? null : context.workflowLink(answer.workflowId);
  out.lines(begun(answer, ahead, { model, link, out }));
  if (answer.kind === 'refused') {
    out.document(answer);
    return 1;
  }
  if (!wait) {
    out.document({ ...answer, link });
    if (!out.json) out.lines(next);
    return 0;
  }
  const result = await follow({ model, workflowId: answer.workflowId }, context, out);
  out.answer(runDocument(result), () => out.lines(ended(result, { model, link, out })));
  return result.outcome === 'failed' ? 1 : 0;
}

/** The one object that `--wait --json` prints last. */
function runDocument({ run, version, outcome, reason, metrics, gates, seconds }: RunResult) {
  return { run, version, outcome, reason, metrics, gates, seconds };
}

async function follow({ model, workflowId }: { model: string; workflowId: string }, context: CliContext, out: Output): Promise<RunResult> {
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

function begun(answer: RetrainAnswer, ahead: string, { model, link, out }: Told): string[] {
  const { style } = out;
  const links = link === null ? [] : [link];
  switch (answer.kind) {
    case 'started':
      return [`Run ${style.bold(answer.run)} of ${model} has started.`, ...links];
    case 'queued':
      return [`Run ${style.bold(answer.run)} of ${model} queues behind ${answer.behind}, which ${ahead} now.`, ...links];
    case 'duplicate':
      return [`Run ${style.bold(answer.run)} of ${model} has this as-of time already; no second one starts.`, ...links];
    case 'refused':
      return [`${style.bad('Refused:')} ${answer.reason}`];
  }
}

function ended(result: RunResult, { model, link, out }: Told): string[] {
  const { run, version, outcome, reason, metrics, seconds } = result;
  return [
    '',
    `Run ${out.style.bold(run)} of ${model}: ${outcomeText(outcome, out.style)} after ${formatDuration(seconds * 1000)}: ${reason}`,
    ...metrics.map((metric) => `  ${formatMetric(metric)}`),
    ...(version === null ? [] : [`  all of it: ./perennial show ${model} ${version}`]),
    ...(link === null ? [] : [link]),
  ];
}
