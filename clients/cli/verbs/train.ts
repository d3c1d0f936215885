import type { Command } from 'commander';
import { runOptions, tellAskedRun } from '../asked-run.js';
import type { CliContext } from '../context.js';
import { momentHelp, momentOption } from '../options.js';
import { examples, verb } from '../verb.js';

type Options = {
  readonly asOf?: number;
  readonly cache: boolean;
  readonly wait?: boolean;
  readonly reason?: string;
  readonly by: string;
};

/** `train`: asks for a run, and with `--wait` shows it to its end. */
export function registerTrain(program: Command, context: CliContext): void {
  const command = runOptions(
    program
      .command('train <model>')
      .description('train a model now, without waiting for its cool-down; it queues behind a run that trains')
      .option('--as-of <time>', `model time that the run sees: ${momentHelp}`, momentOption)
      .option('--no-cache', 'do every step anew, also those whose inputs did not change'),
    context,
  ).addHelpText(
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
    const next = [`Follow it with ./perennial status ${model} --watch`];
    return await tellAskedRun({ model, answer, wait: options.wait === true, ahead: 'trains', next }, context, out);
  });
}
