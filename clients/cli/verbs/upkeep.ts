import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { Command } from 'commander';
import { workflowIds } from '../../../contracts/ids.js';
import { taskQueues } from '../../../contracts/task-queues.js';
import type { UpkeepResult } from '../../../contracts/upkeep.js';
import { PerennialError } from '../../../domain/errors.js';
import { formatCount } from '../../../domain/format.js';
import type { CliContext } from '../context.js';
import { examples, verb } from '../verb.js';

const takenWithinMs = 20_000;

/** `upkeep`: what the schedule does each hour, now. */
export function registerUpkeep(program: Command, context: CliContext): void {
  const command = program
    .command('upkeep')
    .description('merge old latency sketches and remove captures past their retention now, as a schedule does each hour')
    .addHelpText('after', examples('upkeep'));
  verb(command, context, async ({ out }) => {
    const { temporal } = await context.client();
    const workflowId = workflowIds.upkeep();
    // One that runs already is waited for.
    const handle = await temporal.workflow.start<Upkeep>('upkeep', {
      workflowId,
      taskQueue: taskQueues.lifecycle,
      args: [],
      workflowIdConflictPolicy: 'USE_EXISTING',
    });
    const link = context.workflowLink(workflowId);
    if (link !== null) out.note(link);
    const result = await resultOf(handle);
    out.answer(result, () => {
      const { minutes, hours, days, forgotten } = result.latencies;
      out.line(
        `Latency sketches: ${formatCount(minutes, 'minute')} merged into ${formatCount(hours, 'hour')}, ${formatCount(days, 'day')} made of hours, ${forgotten} forgotten.`,
      );
      const models = [...new Set([...result.captures, ...result.files].map(({ model }) => model))].sort();
      if (models.length === 0) return out.line('No capture is older than the retention of its model.');
      const rows = models.map((model) => {
        const captured = result.captures.find((one) => one.model === model);
        const filed = result.files.find((one) => one.model === model);
        const counts = [captured?.captures, captured?.labels, filed?.files].map((count) => String(count ?? 0));
        return [model, `${captured?.retentionDays ?? filed?.retentionDays} days`, ...counts];
      });
      out.table(
        [
          { title: 'model' },
          { title: 'kept for', right: true },
          ...['captures', 'labels', 'files'].map((title) => ({ title, right: true })),
        ],
        rows,
      );
    });
  });
}

type Upkeep = () => Promise<UpkeepResult>;

async function resultOf(handle: WorkflowHandle<Upkeep>): Promise<UpkeepResult> {
  const ended = handle.result();
  // Whatever comes of it, it is looked at below.
  ended.catch(() => undefined);
  const giveUp = new AbortController();
  const untaken = delay(takenWithinMs, undefined, { signal: giveUp.signal }).then(async () => {
    // It has begun, and no worker has looked at it.
    if ((await handle.describe()).historyLength > 2) return await ended;
    throw new PerennialError(
      'Unavailable',
      `No worker took the upkeep within ${takenWithinMs / 1_000} s: the lifecycle worker is not running or too busy. Start the stack with ./perennial up; the upkeep is done then.`,
    );
  });
  try {
    return await Promise.race([ended, untaken]);
  } catch (error) {
    const { WorkflowFailedError } = await import('@temporalio/client');
    if (!(error instanceof WorkflowFailedError)) throw error;
    throw new PerennialError('Unavailable', error.cause?.message ?? error.message, { cause: error });
  } finally {
    giveUp.abort();
    untaken.catch(() => undefined);
  }
}
