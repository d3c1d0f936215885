import { ApplicationFailure } from '@temporalio/workflow';
import type { Trial, TuneInput, TuneResult } from '../contracts/tune.js';
import { notes, suggestions, training } from './activity-proxies.js';

/**
 * A durable study: `parallelism` lanes take the next trial number, ask for parameters given all trials so far (running
 * ones included, so that two lanes do not try the same place), train and score it. A killed worker loses nothing: the
 * trials are the study, and suggesting is pure in them.
 */
export async function tune(input: TuneInput): Promise<TuneResult> {
  const trials: Trial[] = [];
  const direction = 'minimize' as const;
  const reused = new Set<string>();
  let everyTrialReused = true;
  let next = 0;

  const lane = async (): Promise<void> => {
    while (next < input.tuning.trials) {
      const number = next++;
      const { params } = await suggestions.suggestTrial({
        tuning: input.tuning,
        seed: input.trainer.seed,
        trials: [...trials],
        number,
        direction,
      });
      const slot = trials.push({ number, params, state: 'running', value: null }) - 1;
      const { reusedFrom, ...trial } = await training.runTrial({ ...input, number, params });
      if (reusedFrom === undefined) everyTrialReused = false;
      else reused.add(reusedFrom);
      trials[slot] = trial;
      await notes.recordTrial({ model: input.model, run: input.run, trial });
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, input.tuning.parallelism) }, lane));

  const scored = trials.filter(
    (trial): trial is Trial & { value: number } => trial.state === 'complete' && trial.value !== null && Number.isFinite(trial.value),
  );
  if (scored.length === 0) {
    throw ApplicationFailure.nonRetryable(
      `none of the ${trials.length} trials gave a finite ${input.tuning.objective}; see the trials of run ${input.run}`,
      'TrainerFailed',
    );
  }
  const best = scored.reduce((a, b) => (b.value < a.value || (b.value === a.value && b.number < a.number) ? b : a));
  const from = [...reused];
  return {
    best,
    trials: trials.toSorted((a, b) => a.number - b.number),
    objective: input.tuning.objective,
    direction,
    ...(everyTrialReused && from[0] !== undefined ? { reusedFrom: from[0] } : {}),
  };
}
