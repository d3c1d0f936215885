import type { Command } from 'commander';
import { PerennialError } from '../../domain/errors.js';
import { describeFailure, SetUpFailure } from '../../tools/failure.mjs';
import { Screen } from '../rehearsal/view/screen.js';
import { linesOf } from './up/links.js';
import { startStack, type Stack } from './up/stack.js';
import { type Environment, worldOf } from './up/world.js';

/** What the command line hands to its verbs. */
export type UpContext = { readonly env: Environment };

type UpOptions = { readonly rehearse?: boolean };

/** Registers `perennial up`: the whole stack in one terminal, until Ctrl-C. */
export function registerUp(program: Command, context: UpContext): void {
  program
    .command('up')
    .description('start the whole stack here: Temporal, Postgres, workers, gateway, API; Ctrl-C stops all of it')
    .action(async (options: UpOptions) => {
      process.exitCode = await up(options, context.env);
    });
}

async function up(_options: UpOptions, env: Environment): Promise<number> {
  const screen = new Screen({ stream: process.stdout });
  const stopped = askedToStop();
  let stack: Stack | undefined;
  try {
    const since = performance.now();
    stack = await startStack(worldOf(env), events(screen));
    for (const line of linesOf(stack)) screen.say(line);
    screen.say(`up in ${((performance.now() - since) / 1000).toFixed(1)} s; Ctrl-C stops all of it`);
    await stopped.first;
    return 0;
  } catch (error) {
    screen.say(explained(error));
    return 1;
  } finally {
    const running = stack;
    void stopped.second.then(() => {
      running?.kill();
    });
    if (running !== undefined) await running.stop();
    screen.end();
    stopped.end();
  }
}

function events(screen: Screen) {
  return {
    say: (line: string) => screen.say(`  ${line}`),
    doing: (what: string | null) => {
      const since = performance.now();
      screen.show(
        what === null
          ? null
          : () => {
              const line = `${screen.turning} ${what} (${((performance.now() - since) / 1000).toFixed(1)} s)`;
              return { lines: [line], plain: line };
            },
      );
    },
  };
}

/** Ctrl-C once ends in order, twice at once. */
function askedToStop() {
  let count = 0;
  let first: () => void = () => undefined;
  let second: () => void = () => undefined;
  const promises = {
    first: new Promise<void>((resolve) => (first = resolve)),
    second: new Promise<void>((resolve) => (second = resolve)),
  };
  const heard = () => {
    count += 1;
    (count === 1 ? first : second)();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, heard);
  return {
    ...promises,
    end: () => {
      for (const signal of signals) process.off(signal, heard);
    },
  };
}

function explained(error: unknown): string {
  if (error instanceof PerennialError) return `✗ ${error.message}`;
  if (error instanceof SetUpFailure) return describeFailure(error);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
