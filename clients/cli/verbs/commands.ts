import { Argument, type Command } from 'commander';
import { workflowIds } from '../../../contracts/ids.js';
import type { CommandAnswer } from '../../../contracts/rollout.js';
import type { CliContext } from '../context.js';
import { filledOption } from '../options.js';
import type { Output } from '../output/output.js';
import { rolloutLines } from '../output/rollout-lines.js';
import { examples, verb } from '../verb.js';

type Options = { readonly reason?: string; readonly by: string };

const plainCommands = {
  rollback: {
    description: 'take traffic back at once: from a rollout to the champion, else from the champion to the version before it',
    reason: 'rolled back from the command line',
    example: 'rollback demand-forecast --reason "too high since noon"',
  },
  pause: {
    description: 'let no trigger start a run; runs and rollouts under way go on',
    reason: 'paused from the command line',
    example: 'pause demand-forecast --reason "data is being repaired"',
  },
  resume: {
    description: 'let triggers start runs again',
    reason: 'resumed from the command line',
    example: 'resume demand-forecast',
  },
} as const;

/** `promote`, `rollback`, `rollout`, `pause` and `resume`: a command to the lifecycle, and its answer. */
export function registerCommands(program: Command, context: CliContext): void {
  registerPromote(program, context);
  for (const name of ['rollback', 'pause', 'resume'] as const) {
    const { description, reason, example } = plainCommands[name];
    const command = signedOptions(program.command(`${name} <model>`).description(description), context).addHelpText(
      'after',
      examples(example),
    );
    verb<Options>(command, context, async ({ out, args: [model = ''], options }) => {
      const client = await context.client();
      return tell(await client[name](model, { by: options.by, reason: options.reason ?? reason }), out);
    });
  }
  registerRollout(program, context);
}

function registerPromote(program: Command, context: CliContext): void {
  const command = signedOptions(
    program
      .command('promote <model> <version>')
      .description('start the rollout of a version that is approved, for instance after its investigation was closed'),
    context,
  ).addHelpText('after', examples('promote demand-forecast 1.0.1 --reason "the sensor was repaired"'));
  verb<Options>(command, context, async ({ out, args: [model = '', version = ''], options }) => {
    const client = await context.client();
    const answer = await client.promote(model, { version, by: options.by, reason: options.reason ?? 'promoted from the command line' });
    if (answer.accepted) showLink(out, context.workflowLink(workflowIds.rollout(model, version)));
    return tell(answer, out);
  });
}

const actions = { promote: 'promote', abort: 'abort', 'resume-step': 'resumeStep' } as const;

function registerRollout(program: Command, context: CliContext): void {
  const command = signedOptions(
    program
      .command('rollout <model>')
      .addArgument(new Argument('[action]', 'what to do to it').choices(Object.keys(actions)))
      .description(
        'the newest rollout with its evidence; or act on it: promote (100% now), abort (traffic back now), resume-step (a fresh deadline)',
      ),
    context,
  ).addHelpText('after', examples('rollout demand-forecast', 'rollout demand-forecast abort --reason "complaints"'));
  verb<Options>(command, context, async ({ out, args: [model = '', action], options }) => {
    const seen = await context.api().rollout(model);
    const { rollout } = seen;
    if (action === undefined) {
      out.answer(seen, () =>
        rollout === null
          ? out.line(`${model} has had no rollout yet.`)
          : out.lines(rolloutLines({ ...seen, rollout }, { style: out.style, width: out.live ? out.width : Infinity })),
      );
      return 0;
    }
    if (rollout?.status !== 'running')
      return tell({ accepted: false, reason: `no rollout of ${model} runs; ./perennial status ${model} shows how it stands` }, out);
    const client = await context.client();
    const command = { by: options.by, reason: options.reason ?? `${action} from the command line` };
    return tell(await client.rolloutAction({ model, version: rollout.version }, actions[action as keyof typeof actions], command), out);
  });
}

function signedOptions(command: Command, context: CliContext): Command {
  return command
    .option('-r, --reason <text>', 'why; it goes into the audit', filledOption)
    .option('--by <name>', 'who asks', filledOption, context.person);
}

/** Prints what was answered; the exit code. */
function tell(answer: CommandAnswer, out: Output): number {
  out.answer(answer, () =>
    out.line(answer.accepted ? `${out.style.good('Done:')} ${answer.message}.` : `${out.style.bad('Refused:')} ${answer.reason}`),
  );
  return answer.accepted ? 0 : 1;
}

function showLink(out: Output, link: string | null): void {
  if (link !== null) out.line(link);
}
