import { type Command, InvalidArgumentError } from 'commander';
import { PerennialError } from '../../domain/errors.js';
import { SetUpFailure } from '../../tools/failure.mjs';
import { archiveWorld } from '../rehearsal/archive.js';
import { rehearse } from '../rehearsal/rehearse.js';
import type { RehearsalResult } from '../rehearsal/rehearsal-record.js';
import { Interrupted } from '../rehearsal/story/teller.js';
import { Screen } from './output/screen.js';
import type { CliContext } from './context.js';
import { countOption } from './options.js';
import type { Style } from './output/style.js';
import { linesOf } from './up/links.js';
import { startStack, type Stack } from './up/stack.js';
import { type World, worldOf } from './up/world.js';
import { examples, verb } from './verb.js';

type UpOptions = {
  readonly rehearse?: boolean;
  readonly once?: boolean;
  readonly yes?: boolean;
  readonly fresh?: boolean;
  readonly speed: number;
  readonly callers: number;
  readonly labelDelayHours: number;
};

/** Registers `perennial up`: the whole stack in one terminal, until Ctrl-C, and with `--rehearse` the first lifecycle. */
export function registerUp(program: Command, context: CliContext): void {
  const command = program
    .command('up')
    .description('start the whole stack here: Temporal, Postgres, workers, gateway, API; Ctrl-C stops all of it')
    .option('--rehearse', 'then live through the first lifecycle of demand-forecast on the data of 2011 (npm start)')
    .option('--once', 'rehearsal: in a new world, and end when the story has ended')
    .option('-y, --yes', 'rehearsal: approve without asking; it is recorded as that')
    .option('--fresh', 'rehearsal: in a new world; the old one is archived')
    .option('--speed <hours>', 'rehearsal: hours of model time a second, at most', positiveOption, 1)
    .option('--callers <count>', 'rehearsal: requests an hour, each with a key of its own', countOption, 1000)
    .option('--label-delay-hours <hours>', 'rehearsal: how late the outcome of an hour arrives', wholeOption, 0)
    .addHelpText('after', examples('up', 'up --rehearse --fresh --speed 4', 'up --rehearse --once --yes --json'));
  verb<UpOptions>(command, context, async ({ out, options }) => {
    const screen = new Screen({ stream: out.json ? context.io.stderr : context.io.stdout });
    const { code, result } = await up({ context, options, screen, style: out.style });
    if (result !== null) out.document(result);
    return code;
  });
}

type Up = { readonly context: CliContext; readonly options: UpOptions; readonly screen: Screen; readonly style: Style };

async function up({ context, options, screen, style }: Up): Promise<{ code: number; result: RehearsalResult | null }> {
  const stopped = askedToStop();
  const since = performance.now();
  const { env } = context.io;
  let stack: Stack | undefined;
  let result: RehearsalResult | null = null;
  try {
    const world = worldOf(env);
    if (options.rehearse === true && (options.fresh === true || options.once === true)) await beginAnew(world, screen);
    stack = await startStack(world, { ...events(screen), lost: (error) => stopped.because(error) });
    for (const line of linesOf(stack)) screen.say(line);
    screen.say(`up in ${((performance.now() - since) / 1000).toFixed(1)} s; Ctrl-C stops all of it`);
    if (options.rehearse === true) {
      const setupSeconds = Number(env['PERENNIAL_SETUP_SECONDS'] ?? 0);
      result = await rehearse({
        context,
        world,
        stack,
        screen,
        style,
        options: { ...options, once: options.once === true, yes: options.yes === true },
        signal: stopped.signal,
        elapsed: () => ({ setupSeconds, seconds: Math.round((setupSeconds + (performance.now() - since) / 1000) * 10) / 10 }),
      });
      if (options.once !== true) screen.say('\nEverything keeps running; Ctrl-C stops it.');
    }
    if (options.once !== true) await stopped.first;
    if (stopped.reason() !== null) throw stopped.reason();
    return { code: result?.runs.some(({ outcome }) => outcome === 'failed') === true ? 1 : 0, result };
  } catch (error) {
    screen.show(null);
    if (error instanceof Interrupted && stopped.reason() === null) {
      screen.say(error.message);
      return { code: 130, result };
    }
    throw expected(stopped.reason() ?? error, context.places);
  } finally {
    const running = stack;
    void stopped.second.then(() => running?.kill());
    if (running !== undefined) {
      await running.stop();
      if (stopped.reason() === null) screen.say('everything is stopped; the next start goes on with the same data');
    }
    screen.end();
    stopped.end();
  }
}

async function beginAnew(world: World, screen: Screen): Promise<void> {
  events(screen).doing('putting the old world aside');
  const archive = await archiveWorld(world);
  events(screen).doing(null);
  if (archive !== null) screen.say(`the old world lies in ${archive} (remove it when nobody needs it)`);
}

function events(screen: Screen) {
  return {
    say: (line: string) => screen.say(`  ${line}`),
    doing: (what: string | null) => {
      const since = performance.now();
      const block = () => {
        const line = `${screen.turning} ${what ?? ''} (${((performance.now() - since) / 1000).toFixed(1)} s)`;
        return { lines: [line], plain: line };
      };
      screen.show(what === null ? null : block);
    },
  };
}

/** Ctrl-C once ends in order, twice at once. The stack itself ends in order when something that it needs is lost. */
function askedToStop() {
  let lost: PerennialError | null = null;
  const first = new AbortController();
  const second = new AbortController();
  const heard = () => (first.signal.aborted ? second : first).abort();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, heard);
  const promiseOf = ({ signal }: AbortController) =>
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  return {
    signal: first.signal,
    first: promiseOf(first),
    second: promiseOf(second),
    because: (error: PerennialError) => {
      lost = error;
      first.abort();
    },
    /** What was lost; null when a person asked. */
    reason: (): PerennialError | null => lost,
    end: () => {
      for (const signal of signals) process.off(signal, heard);
    },
  };
}

/** A failure of set-up or of a server is one that a person can do something about: its message is enough. */
function expected(error: unknown, { home }: { home: string }): unknown {
  if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') {
    const wayOut = `Free some space where ${home} lies, or put everything elsewhere with PERENNIAL_HOME=/path.`;
    return new PerennialError('Unavailable', `The disk is full: ${error.message}. ${wayOut}`, { cause: error });
  }
  if (!(error instanceof SetUpFailure)) return error;
  return new PerennialError('Unavailable', error.message, { cause: error });
}

function positiveOption(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0 is expected.');
  return value;
}

function wholeOption(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number of 0 or more is expected.');
  return value;
}
