import { type ScheduleClient, ScheduleNotFoundError } from '@temporalio/client';
import { scheduleId } from '../contracts/ids.js';
import { PerennialError } from '../domain/errors.js';
import { formatTime } from '../domain/format.js';
import { type ModelDefinition, schedulesIn } from '../domain/model-definition.js';

export type BackfillRange = {
  readonly definition: ModelDefinition;
  /** First and last moment whose slots are run, both included; epoch milliseconds, model time. */
  readonly fromMs: number;
  readonly toMs: number;
  /** One schedule of the model by its name; all of them when absent. */
  readonly schedule?: string;
};

/**
 * Runs the slots of a past range through the model's own schedules, each with its own as-of time, also while the
 * schedule is paused. They run one after the other, oldest first: a slot waits until the run before it has ended.
 * Answers the ids of the schedules. `Conflict` when there is none, `DataInvalid` for a range that is none.
 */
export async function backfill(client: ScheduleClient, { definition, fromMs, toMs, schedule }: BackfillRange): Promise<string[]> {
  const { name: model } = definition;
  if (!(fromMs <= toMs)) {
    throw new PerennialError('DataInvalid', `The range ends (${formatTime(toMs)}) before it begins (${formatTime(fromMs)}).`);
  }
  const names = schedulesIn(definition).map(({ name }) => name);
  const wanted = schedule === undefined ? names : names.filter((name) => name === schedule);
  if (wanted.length === 0) {
    const known = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
    throw new PerennialError(
      'Conflict',
      `${model} has no schedule${schedule === undefined ? '' : ` ${schedule}`}: ${known}. Define it in models/${model}.ts.`,
    );
  }
  const ids = wanted.map((name) => scheduleId(model, name));
  for (const id of ids) {
    try {
      // The server leaves out the beginning of the range itself.
      await client.getHandle(id).backfill({ start: new Date(fromMs - 1), end: new Date(toMs), overlap: 'BUFFER_ALL' });
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
      throw new PerennialError('Conflict', `Schedule ${id} is not there yet. ./perennial apply makes the schedules of all definitions.`, {
        cause: error,
      });
    }
  }
  return ids;
}
