import type { WorkflowHandle } from '@temporalio/client';
import { workflowIds } from '../../contracts/ids.js';
import type { RolloutInput, RolloutResult } from '../../contracts/rollout.js';
import { taskQueues } from '../../contracts/task-queues.js';
import { rolloutPlans } from '../../domain/rollout-plans.js';
import type { rollout } from '../../workflows/index.js';
import { type AllActivities, type FakeWorld, look, nothingYet, tinyDefinition } from './fake-activities.js';
import type { Stage } from './world.js';

export type StartedRollout = { readonly world: FakeWorld; readonly handle: WorkflowHandle<typeof rollout> };

/** Starts the rollout of 1.0.1 against 1.0.0 by itself: no lifecycle runs beside it. */
export async function startRollout(
  stage: Stage,
  overrides: Partial<AllActivities> = {},
  input: Partial<RolloutInput> = {},
): Promise<StartedRollout> {
  const world = stage.use(overrides);
  const handle = await stage.environment.client.workflow.start<typeof rollout>('rollout', {
    workflowId: workflowIds.rollout(world.model, '1.0.1'),
    taskQueue: taskQueues.lifecycle,
    args: [
      {
        model: world.model,
        version: '1.0.1',
        champion: '1.0.0',
        promotionId: `${world.model}:1.0.1:1`,
        run: null,
        plan: rolloutPlans.fast,
        limits: tinyDefinition.rollout.limits,
        clock: { kind: 'live' },
        requestedBy: 'tester',
        ...input,
      },
    ],
  });
  return { world, handle };
}

/** The result, and the time of the server that the rollout took. (After a result that server runs ahead of what is asked of it.) */
export async function ended({ handle }: StartedRollout): Promise<{ result: RolloutResult; elapsedMs: number }> {
  const result = await handle.result();
  const { events } = await handle.fetchHistory();
  const at = (index: number) => Number(events?.at(index)?.eventTime?.seconds ?? Number.NaN) * 1_000;
  return { result, elapsedMs: at(-1) - at(0) };
}

type Watch = AllActivities['watchStep'];

/** A watch that sees a breach `afterMs` into its first step. */
export function breachAfter(afterMs: number): Watch {
  let attempts = 0;
  return async (input) => {
    attempts += 1;
    if (attempts === 1) throw nothingYet(afterMs);
    return look('fail', input.step);
  };
}

/** A watch that nothing ends: it holds until its deadline, as the real one does. */
export function holdToDeadline(): Watch {
  const asked = new Set<number>();
  return async (input) => {
    if (input.until === 'breach') throw nothingYet();
    if (asked.has(input.deadlineMs)) return look('hold', input.step);
    asked.add(input.deadlineMs);
    const intervalMs = 'intervalMs' in input.step ? input.step.intervalMs : 0;
    throw nothingYet(input.deadlineMs - input.stepStartMs - intervalMs);
  };
}
