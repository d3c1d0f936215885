import { Command, CommanderError } from 'commander';
import { PerennialError } from '../../domain/errors.js';
import { type CliIo, createContext } from './context.js';
import { styleFor } from './output/style.js';
import { verbResult } from './verb.js';
import { registerVerbs } from './verbs/index.js';

/**
 * Runs `./perennial <arguments>`; answers the exit code: 0, 1 when something failed, 2 when it was used wrongly. With
 * `--json` a failure is the one document: `{"error":{"type","message","details"}}`.
 */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  const context = createContext(io);
  const program = new Command('./perennial')
    .description('Keeps models alive: training, gates, approvals, progressive rollout and rollback on Temporal.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
    .showSuggestionAfterError()
    .showHelpAfterError('(./perennial help <verb> shows how it is used)')
    .configureHelp({ sortSubcommands: false });
  registerVerbs(program, context);
  verbResult.code = 0;
  try {
    if (args.length === 0) {
      program.outputHelp();
      return 0;
    }
    await program.parseAsync([...args], { from: 'user' });
    return verbResult.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    tell(error, io, args.includes('--json'));
    return 1;
  } finally {
    await context.close();
  }
}

function tell(error: unknown, io: CliIo, json: boolean): void {
  const expected = error instanceof PerennialError;
  const message = expected ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  const style = styleFor(io.stderr, io.env);
  io.stderr.write(`${style.bad('Error:')} ${message}\n`);
  if (!json) return;
  const document = { type: expected ? error.type : 'Internal', message, details: expected ? error.details : {} };
  io.stdout.write(`${JSON.stringify({ error: document })}\n`);
}
