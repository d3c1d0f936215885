import type { Command } from 'commander';
import type { CliContext } from './context.js';
import { Output } from './output/output.js';

/** `args`: the words after the verb in order; those of a list that goes on follow each other. */
export type VerbCall<Options> = { readonly out: Output; readonly args: readonly (string | undefined)[]; readonly options: Options };

/** Set by the verb that ran; read by `runCli`. */
export const verbResult: { code: number } = { code: 0 };

/**
 * The action of a verb: gives it its arguments, options and output. What it returns is the exit code, 0 when nothing.
 * `--json` is added to the command here, so that no verb lacks it.
 */
export function verb<Options extends object = Record<string, never>>(
  command: Command,
  context: CliContext,
  work: (call: VerbCall<Options>) => Promise<number | void>,
): Command {
  return command.option('--json', 'one JSON document on stdout, everything else on stderr').action(async (...received: unknown[]) => {
    const acted = received.at(-1) as Command;
    const options = acted.optsWithGlobals<Options & { json?: boolean }>();
    const args = received.slice(0, -2).flat() as (string | undefined)[];
    verbResult.code = (await work({ out: new Output(context.io, options.json === true), args, options })) ?? 0;
  });
}

/** Examples below the help of a verb. */
export function examples(...lines: readonly string[]): string {
  return `\n${lines.length > 1 ? 'Examples' : 'Example'}:\n${lines.map((line) => `  $ ./perennial ${line}`).join('\n')}\n`;
}
