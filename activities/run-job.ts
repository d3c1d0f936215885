import { PerennialError } from '../domain/errors.js';
import { followJob } from './follow-job.js';
import { jobKey, jobName, type JobIdentity } from './job-name.js';
import type { Compute, JobSpec } from './ports.js';
import type { ActivityContext, RunMetrics } from './training-ports.js';

export type Job = Omit<JobSpec, 'name' | 'checkpoint'> & {
  readonly model: string;
  readonly run: string;
  readonly purpose: string;
  readonly silenceLimitMs: number;
};

/** A job that dies this often is not started again: something kills it. */
const mostAttempts = 10;

/**
 * Runs a training job to its end, once: an attempt that runs already is attached to, one that completed is used, and only
 * after one that failed the next is started (from the same checkpoint). Answers the folder of results and the job's name.
 */
export async function runJob(
  deps: { readonly compute: Compute; readonly metrics: RunMetrics; readonly context: ActivityContext },
  job: Job,
): Promise<{ folder: string; name: string }> {
  const { model, run, purpose, silenceLimitMs, ...spec } = job;
  const identity: JobIdentity = { model, run, purpose, inputs: spec };
  const name = await attachOrStart(deps.compute, { spec, identity });
  return { name, ...(await followJob(deps, { name, model, run, purpose, silenceLimitMs })) };
}

async function attachOrStart(
  compute: Compute,
  { spec, identity }: { spec: Omit<JobSpec, 'name' | 'checkpoint'>; identity: JobIdentity },
): Promise<string> {
  let last = '';
  for (let attempt = 1; attempt <= mostAttempts;) {
    const name = jobName({ ...identity, attempt });
    const state = await compute.describe(name);
    if (state.status === 'running' || state.status === 'completed') return name;
    if (state.status === 'failed') {
      last = state.reason;
      attempt += 1;
      continue;
    }
    try {
      await compute.start({ ...spec, name, checkpoint: jobKey(identity) });
      return name;
    } catch (error) {
      // Somebody else started it meanwhile: described again, it is found.
      if (!(error instanceof PerennialError && error.type === 'Conflict')) throw error;
    }
  }
  throw new PerennialError(
    'TrainerFailed',
    `training job ${jobKey(identity)} ended ${mostAttempts} times without a result, the last time because ${last}`,
    { retryable: false },
  );
}
