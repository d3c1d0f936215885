import type { ScheduleClient, ScheduleDescription } from '@temporalio/client';
import type { Command } from 'commander';
import { scheduleId } from '../../../contracts/ids.js';
import { PerennialError } from '../../../domain/errors.js';
import { formatTime } from '../../../domain/format.js';
import { isImported, schedulesIn, trainedHere } from '../../../domain/model-definition.js';
import { backfill } from '../../../schedules/backfill.js';
import { schedulePrefix } from '../../../schedules/model-schedules.js';
import type { CliContext } from '../context.js';
import { filledOption, momentHelp, momentOption } from '../options.js';
import { ago } from '../output/figures.js';
import { examples, verb } from '../verb.js';

/** `schedules`: list, pause, resume, and backfill of missed slots. */
export function registerSchedules(program: Command, context: CliContext): void {
  const schedules = program
    .command('schedules')
    .description('schedules in Temporal, made from the definitions: list, pause, resume, backfill')
    .addHelpText(
      'after',
      examples(
        'schedules',
        'schedules pause demand-forecast --reason "data is being repaired"',
        'schedules backfill demand-forecast --from 2011-11-01T02:00Z --to 2011-11-03T02:00Z',
      ),
    );
  registerList(schedules, context);
  registerSwitch(schedules, context, 'pause');
  registerSwitch(schedules, context, 'resume');
  registerBackfill(schedules, context);
}

function registerList(schedules: Command, context: CliContext): void {
  verb(
    schedules.command('list [model]', { isDefault: true }).description('all of them, or those of a model'),
    context,
    async ({ out, args: [model] }) => {
      const client = (await context.client()).temporal.schedule;
      const found = (await described(client)).filter((one) => model === undefined || one.scheduleId.startsWith(scheduleId(model, '')));
      const listed = found.map(({ scheduleId: id, action, policies, state, info }) => ({
        id,
        cron: cronOf(action.memo),
        overlap: policies.overlap ?? 'SKIP',
        catchUpWindowMs: policies.catchupWindow,
        paused: state.paused,
        note: state.note ?? null,
        nextMs: info.nextActionTimes[0]?.getTime() ?? null,
        lastMs: info.recentActions.at(-1)?.takenAt.getTime() ?? null,
        running: info.runningActions.map(({ workflow }) => workflow.workflowId),
      }));
      const definition = listed.length > 0 || model === undefined ? undefined : (await context.api().model(model)).definition;
      const none = definition !== undefined && isImported(definition) ? `${model} has none: its versions are imported.` : undefined;
      out.answer(listed, () => {
        if (listed.length === 0) return out.line(none ?? 'There is no schedule. Those of the definitions are made by ./perennial apply.');
        const rows = listed.map((one) => [
          one.id,
          `${one.cron} UTC`,
          one.paused ? out.style.warn('paused') : out.style.good('on'),
          one.paused || one.nextMs === null ? '-' : formatTime(one.nextMs),
          one.lastMs === null ? '-' : ago(one.lastMs),
          one.overlap,
          one.note ?? '',
        ]);
        out.table(
          ['schedule', 'cron', 'state', 'next', 'last start', 'overlap', 'note'].map((title) => ({ title })),
          rows,
        );
      });
    },
  );
}

function registerSwitch(schedules: Command, context: CliContext, word: 'pause' | 'resume'): void {
  const command = schedules
    .command(`${word} <model> [schedule]`)
    .description(word === 'pause' ? 'start no run by schedule until it is resumed' : 'start runs by schedule again')
    .option('-r, --reason <text>', 'why; it becomes the note of the schedule', filledOption)
    .option('--by <name>', 'who asks', filledOption, context.person);
  verb<{ reason?: string; by: string }>(command, context, async ({ out, args: [model = '', name], options: { by, reason } }) => {
    const client = (await context.client()).temporal.schedule;
    const ids = await idsOf(context, model, name);
    const note = `${word === 'pause' ? 'Paused' : 'Resumed'} by ${by}: ${reason ?? 'from the command line'}`;
    for (const id of ids) {
      const handle = client.getHandle(id);
      if (word === 'pause') await handle.pause(note);
      else await handle.unpause(note);
    }
    out.answer({ schedules: ids, paused: word === 'pause', note }, () => out.lines(ids.map((id) => `${id}  ${note}`)));
  });
}

function registerBackfill(schedules: Command, context: CliContext): void {
  const command = schedules
    .command('backfill <model>')
    .description('run the slots of a past range, each with its own as-of time, one after the other')
    .requiredOption('--from <time>', `first slot: ${momentHelp}`, momentOption)
    .requiredOption('--to <time>', 'last slot', momentOption)
    .option('--schedule <name>', 'one schedule of the model; all of them when absent', filledOption);
  verb<{ from: number; to: number; schedule?: string }>(
    command,
    context,
    async ({ out, args: [model = ''], options: { from, to, schedule } }) => {
      const client = await context.client();
      const { definition } = await client.api.model(model);
      const ids = await backfill(client.temporal.schedule, {
        definition: trainedHere(definition),
        fromMs: from,
        toMs: to,
        ...(schedule === undefined ? {} : { schedule }),
      });
      out.answer({ schedules: ids, fromMs: from, toMs: to }, () => {
        out.line(`The slots from ${formatTime(from)} to ${formatTime(to)} run now, one after the other: ${ids.join(', ')}`);
        out.line(`Follow them with ./perennial status ${model} --watch`);
      });
    },
  );
}

/** The schedules of a model by its definition; throws for a name that it does not define. */
async function idsOf(context: CliContext, model: string, name: string | undefined): Promise<string[]> {
  const { definition } = await context.api().model(model);
  const names = schedulesIn(definition)
    .map((schedule) => schedule.name)
    .filter((one) => name === undefined || one === name);
  if (names.length > 0) return names.map((one) => scheduleId(model, one));
  throw new PerennialError(
    'Conflict',
    `${model} defines no schedule${name === undefined ? '' : ` ${name}`}; ./perennial schedules lists those that exist.`,
  );
}

async function described(client: ScheduleClient): Promise<ScheduleDescription[]> {
  const found: ScheduleDescription[] = [];
  for await (const { scheduleId: id } of client.list())
    if (id.startsWith(schedulePrefix)) found.push(await client.getHandle(id).describe());
  return found.sort((a, b) => (a.scheduleId < b.scheduleId ? -1 : 1));
}

/** The server keeps a cron line as calendars only; ours stands in the memo too. */
function cronOf(memo: Record<string, unknown> | undefined): string {
  const cron = memo?.['cron'];
  return typeof cron === 'string' ? cron : '-';
}
