import { ApplicationFailure } from '@temporalio/common';
import { WorkflowFailedError } from '@temporalio/client';
import { describe, expect, test } from 'vitest';
import { taskQueues } from '../../contracts/task-queues.js';
import type { Trial, TuneInput, TuneResult } from '../../contracts/tune.js';
import type { tune } from '../../workflows/index.js';
import { type AllActivities, tinyDefinition } from './fake-activities.js';
import { devServerStage } from './world.js';

const stage = devServerStage();
const object = { digest: 'sha256:rows', bytes: 1, mediaType: 'application/octet-stream' };

/** Runs a study of `trials` trials in `parallelism` lanes. */
async function study(overrides: Partial<AllActivities>, { trials = 4, parallelism = 2 }: { trials?: number; parallelism?: number } = {}) {
  const world = stage.use(overrides);
  const input: TuneInput = {
    model: world.model,
    run: 'r-1',
    tuning: { ...tinyDefinition.tuning!, trials, parallelism },
    trainer: tinyDefinition.trainer,
    metrics: tinyDefinition.metrics,
    features: ['hour'],
    target: 'y',
    train: object,
    validation: object,
    useCache: true,
  };
  const workflowId = `tune:${world.model}:r-1`;
  const handle = await stage.environment.client.workflow.start<typeof tune>('tune', {
    workflowId,
    taskQueue: taskQueues.lifecycle,
    args: [input],
  });
  return { world, handle };
}

const scored = (values: readonly (number | null)[]): AllActivities['runTrial'] => {
  return async ({ number, params }) => {
    const value = values[number] ?? null;
    return { number, params, state: value === null ? ('failed' as const) : ('complete' as const), value };
  };
};

describe('a study', () => {
  test('survives trials that fail, and takes the best of the others', async () => {
    const { world, handle } = await study({ runTrial: scored([null, 0.2, null, 0.3]) });
    const result: TuneResult = await handle.result();
    expect(result.best).toMatchObject({ number: 1, value: 0.2 });
    expect(result.trials.map((trial) => trial.state)).toEqual(['failed', 'complete', 'failed', 'complete']);
    expect(result).not.toHaveProperty('reusedFrom');
    expect(world.callsOf('recordTrial')).toHaveLength(4);
  });

  test('takes the earlier of two equal trials, and never one that is no number', async () => {
    const { handle } = await study({ runTrial: scored([Number.POSITIVE_INFINITY, 0.2, 0.2, Number.NaN]) });
    expect((await handle.result()).best.number).toBe(1);
  });

  test('in which no trial gave a figure fails, for good', async () => {
    const { handle } = await study({ runTrial: scored([null, Number.NaN, null, null]) });
    const failure = await handle.result().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(WorkflowFailedError);
    expect((failure as WorkflowFailedError).cause).toMatchObject({
      type: 'TrainerFailed',
      nonRetryable: true,
      message: 'none of the 4 trials gave a finite mape; see the trials of run r-1',
    });
  });

  test('runs its lanes side by side, and tells each what the others try', async () => {
    const together: (() => void)[] = [];
    const runTrial: AllActivities['runTrial'] = async ({ number, params }) => {
      // Nobody goes on before all three are there: in fewer lanes this would wait for ever.
      if (number < 3) {
        await new Promise<void>((resolve) => {
          together.push(resolve);
          if (together.length === 3) for (const go of together) go();
        });
      }
      return { number, params, state: 'complete', value: 1 - number / 10 };
    };
    const { world, handle } = await study({ runTrial }, { trials: 5, parallelism: 3 });
    expect((await handle.result()).best.number).toBe(4);
    const seen = world.callsOf('suggestTrial') as { number: number; trials: readonly Trial[] }[];
    expect(seen.map((suggestion) => suggestion.number).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
    const late = seen.find((suggestion) => suggestion.number === 3);
    expect(late?.trials).toHaveLength(3);
    expect(late?.trials.some((trial) => trial.state === 'complete')).toBe(true);
  });

  test('has no more lanes than asked for: one at a time sees every earlier trial complete', async () => {
    const { world, handle } = await study({}, { trials: 3, parallelism: 1 });
    await handle.result();
    const seen = world.callsOf('suggestTrial') as { trials: readonly Trial[] }[];
    expect(seen.map(({ trials }) => trials.map((trial) => trial.state))).toEqual([[], ['complete'], ['complete', 'complete']]);
  });

  test('tries a trial again whose worker died', async () => {
    let attempts = 0;
    const runTrial: AllActivities['runTrial'] = async ({ number, params }) => {
      if (number === 1 && ++attempts === 1)
        throw ApplicationFailure.create({ message: 'the worker died', nextRetryDelay: '10 milliseconds' });
      return { number, params, state: 'complete', value: 1 - number / 10 };
    };
    const { handle } = await study({ runTrial }, { trials: 2 });
    expect((await handle.result()).trials).toMatchObject([{ state: 'complete' }, { state: 'complete' }]);
    expect(attempts).toBe(2);
  });

  test('whose trials were all made by an earlier run says so; one new trial makes it new', async () => {
    const reuse =
      (from: number): AllActivities['runTrial'] =>
      async ({ number, params }) => ({ number, params, state: 'complete', value: 0.2, ...(number < from ? { reusedFrom: 'r-0' } : {}) });
    const whole = await study({ runTrial: reuse(4) });
    expect(await whole.handle.result()).toMatchObject({ reusedFrom: 'r-0' });
    const part = await study({ runTrial: reuse(3) });
    const result = await part.handle.result();
    expect(result).not.toHaveProperty('reusedFrom');
    expect(result.trials.every((trial) => !('reusedFrom' in trial))).toBe(true);
  });
});
