import {
  type ScheduleClient,
  type ScheduleDescription,
  ScheduleAlreadyRunning,
  type ScheduleHandle,
  ScheduleNotFoundError,
} from '@temporalio/client';
import type { ClockRef } from '../domain/clock.js';
import type { ModelDefinition } from '../domain/model-definition.js';
import { drivenNote, schedulePrefix, schedulesOf, temporalSchedule, type TriggerSchedule, type WantedSchedule } from './model-schedules.js';

export type ScheduleChange = { readonly id: string; readonly change: 'created' | 'changed' | 'removed' | 'unchanged' };

export type ReconcileInput = {
  readonly client: ScheduleClient;
  /** The active definitions: all of them, since a schedule that none of them has is removed. */
  readonly definitions: readonly ModelDefinition[];
  readonly clockOf: (model: string) => Promise<ClockRef>;
};

/**
 * Makes the schedules in Temporal what the definitions say: creates, changes, and removes those of ours that no
 * definition has. What is as wanted is left alone, and so is the pause of a person. Any number may do it at once.
 */
export async function reconcileSchedules({ client, definitions, clockOf }: ReconcileInput): Promise<ScheduleChange[]> {
  const wanted: WantedSchedule[] = [];
  for (const definition of definitions) wanted.push(...schedulesOf(definition, await clockOf(definition.name)));
  const changes: ScheduleChange[] = [];
  for (const one of wanted) changes.push({ id: one.id, change: await ensure(client, one) });
  const ids = new Set(wanted.map(({ id }) => id));
  for await (const { scheduleId } of client.list()) {
    if (!scheduleId.startsWith(schedulePrefix) || ids.has(scheduleId)) continue;
    if (await remove(client.getHandle(scheduleId))) changes.push({ id: scheduleId, change: 'removed' });
  }
  return changes;
}

/** The same from the registry's active definitions and clocks; what the control API does after a change. */
export async function reconcileFromRegistry(
  client: ScheduleClient,
  registry: { definitions(): Promise<ModelDefinition[]>; drivenClock(model: string): Promise<number | null> },
): Promise<ScheduleChange[]> {
  return await reconcileSchedules({
    client,
    definitions: await registry.definitions(),
    clockOf: async (model) => ((await registry.drivenClock(model)) === null ? { kind: 'live' } : { kind: 'driven', name: model }),
  });
}

async function ensure(client: ScheduleClient, wanted: WantedSchedule): Promise<ScheduleChange['change']> {
  const handle = client.getHandle(wanted.id);
  const schedule = temporalSchedule(wanted);
  const present = await describe(handle);
  if (present === null) {
    try {
      await client.create(schedule);
      return 'created';
    } catch (error) {
      // Somebody else made it in this moment; it is looked at like any other.
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      return await change(handle, schedule, await handle.describe());
    }
  }
  return await change(handle, schedule, present);
}

async function change(handle: ScheduleHandle, schedule: TriggerSchedule, present: ScheduleDescription): Promise<'changed' | 'unchanged'> {
  if (present.action.memo?.['digest'] === schedule.action.memo?.['digest']) return 'unchanged';
  // Pure: the SDK calls it again when somebody else changed the schedule meanwhile.
  await handle.update((previous) => {
    const { spec, action, policies } = schedule;
    return { spec, action, ...(policies === undefined ? {} : { policies }), state: stateAfter(previous, schedule) };
  });
  return 'changed';
}

/** A model on a driven clock is paused. The pause of a person, or after a failure, stays until somebody lifts it. */
function stateAfter(previous: ScheduleDescription, schedule: TriggerSchedule): { paused: boolean; note?: string } {
  const { paused = false, note } = schedule.state ?? {};
  if (!paused && previous.state.paused && previous.state.note !== drivenNote) {
    return { paused: true, ...(previous.state.note === undefined ? {} : { note: previous.state.note }) };
  }
  return { paused, ...(note === undefined ? {} : { note }) };
}

async function describe(handle: ScheduleHandle): Promise<ScheduleDescription | null> {
  try {
    return await handle.describe();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return null;
    throw error;
  }
}

/** Whether it was there: the list may be older than the last removal. */
async function remove(handle: ScheduleHandle): Promise<boolean> {
  try {
    await handle.delete();
    return true;
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return false;
    throw error;
  }
}
