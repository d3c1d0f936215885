import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import type { TrainedModel, TrainInput, TrainingActivities } from '../contracts/activities.js';
import type { Reusable } from '../contracts/steps.js';
import type { Trial, TuneInput } from '../contracts/tune.js';
import { PerennialError } from '../domain/errors.js';
import type { MetricValue } from '../domain/metrics.js';
import type { Compute, ObjectStore, StepCache } from './ports.js';
import { runJob, type Job } from './run-job.js';
import { cachedStep } from './step-cache.js';
import type { ActivityContext, RunMetrics, Suggester } from './training-ports.js';

export type TrainingDeps = {
  readonly compute: Compute;
  readonly objects: ObjectStore;
  readonly cache: StepCache;
  readonly metrics: RunMetrics;
  readonly suggester: Suggester;
  /** Digest of the trainers' sources: a model is reused only from the same program. */
  readonly trainersDigest: string;
  /** Temporal's, unless a test has its own. */
  readonly context?: () => ActivityContext;
};

/** What every trainer leaves in `model/manifest.json`; more is allowed. */
type Manifest = {
  readonly files?: { readonly onnx: string; readonly native: string };
  readonly metrics: readonly MetricValue[];
  readonly seconds: number;
};

const heartbeatEveryMs = 1_000;

/** Failures of a trial that say something about its hyperparameters, or only about this trial. Any other would fail every trial. */
const trialFaults: ReadonlySet<unknown> = new Set(['hyperparameters', 'crash', 'killed', 'hung']);

/** Training and tuning on whatever compute there is. Throws `TrainerFailed` with the last lines of the trainer. */
export function createTrainingActivities(deps: TrainingDeps): TrainingActivities {
  const context = deps.context ?? temporalContext;
  return {
    trainModel: (input) => beating(context(), (beats) => trainModel(deps, beats, input)),
    runTrial: (input) => beating(context(), (beats) => runTrial(deps, beats, input)),
    suggestTrial: async (input) => ({ params: await deps.suggester.suggest(input) }),
  };
}

async function trainModel(deps: TrainingDeps, context: ActivityContext, input: TrainInput): Promise<Reusable<TrainedModel>> {
  const { purpose, ...job } = trainJob(input);
  // The purpose is a name; `train` and `refit` of the same rows are the same model.
  const { model: _model, run: _run, silenceLimitMs: _limit, ...inputs } = job;
  return cachedStep(deps, { step: 'train', context: input, codeVersion: deps.trainersDigest, inputs }, async () => {
    const done = await runJob({ ...deps, context }, { ...job, purpose });
    const manifest = await readManifest(done, purpose);
    const { onnx, native } = manifest.files ?? { onnx: 'model.onnx', native: 'model.txt' };
    const model: TrainedModel = {
      onnx: await deps.objects.putFile(await leftBehind(done, onnx), 'application/onnx'),
      native: await deps.objects.putFile(await leftBehind(done, native), 'text/plain'),
      manifest: await deps.objects.putFile(await leftBehind(done, 'manifest.json'), 'application/json'),
      metrics: manifest.metrics,
      seconds: manifest.seconds,
    };
    await deps.compute.release?.(done.name);
    return model;
  });
}

async function runTrial(
  deps: TrainingDeps,
  context: ActivityContext,
  input: Parameters<TrainingActivities['runTrial']>[0],
): Promise<Reusable<Trial>> {
  const { number, params, tuning, model, run, useCache } = input;
  const job = trialJob(input);
  const { model: _model, run: _run, purpose, silenceLimitMs: _limit, ...inputs } = job;
  try {
    const step = {
      step: 'trial',
      context: { model, run, useCache },
      codeVersion: deps.trainersDigest,
      inputs: { ...inputs, objective: tuning.objective },
    };
    const { reusedFrom, ...scored } = await cachedStep(deps, step, async () => {
      const done = await runJob({ ...deps, context }, job);
      const manifest = await readManifest(done, purpose);
      const value = manifest.metrics.find((metric) => metric.name === tuning.objective)?.value ?? null;
      await deps.compute.release?.(done.name);
      return { value, seconds: manifest.seconds };
    });
    const trial: Trial = { number, params, state: scored.value === null ? 'failed' : 'complete', ...scored };
    return reusedFrom === undefined ? trial : { ...trial, reusedFrom };
  } catch (error) {
    // Given back as failed and never cached: the study goes on without it.
    if (error instanceof PerennialError && error.type === 'TrainerFailed' && trialFaults.has(error.details['kind'])) {
      return { number, params, state: 'failed', value: null };
    }
    throw error;
  }
}

function trainJob(input: TrainInput): Job {
  const { model, run, purpose, trainer, hyperparameters, features, target, metrics = [] } = input;
  return {
    model,
    run,
    purpose,
    trainer: trainer.name,
    silenceLimitMs: trainer.silenceLimitMs,
    hyperparameters,
    channels: { train: input.train, ...(input.validation === undefined ? {} : { validation: input.validation }) },
    inputConfig: { features, target, metrics, seed: trainer.seed, export: true, checkpoint: true },
  };
}

function trialJob({
  model,
  run,
  number,
  params,
  trainer,
  metrics,
  features,
  target,
  train,
  validation,
}: TuneInput & { number: number; params: Trial['params'] }): Job {
  return {
    model,
    run,
    purpose: `trial-${String(number).padStart(3, '0')}`,
    trainer: trainer.name,
    silenceLimitMs: trainer.silenceLimitMs,
    hyperparameters: { ...trainer.hyperparameters, ...params },
    channels: { train, validation },
    // Nobody serves a trial: no ONNX.
    inputConfig: { features, target, metrics, seed: trainer.seed, export: false, checkpoint: true },
  };
}

async function readManifest(done: { folder: string; name: string }, purpose: string): Promise<Manifest> {
  const path = await leftBehind(done, 'manifest.json');
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Manifest;
  } catch (error) {
    throw new PerennialError('TrainerFailed', `training job ${done.name} (${purpose}): model/manifest.json is not JSON`, { cause: error });
  }
}

async function leftBehind({ folder, name }: { folder: string; name: string }, file: string): Promise<string> {
  const path = join(folder, 'model', file);
  await access(path).catch(() => {
    throw new PerennialError(
      'TrainerFailed',
      `training job ${name} ended with code 0 but left no model/${file}; a trainer must write it before it ends`,
      {
        details: { job: name, missing: `model/${file}`, kind: 'crash' },
      },
    );
  });
  return path;
}

/** Repeats the last heartbeat: fetching tables and storing models may take longer than the server waits for a sign. */
async function beating<T>(context: ActivityContext, run: (context: ActivityContext) => Promise<T>): Promise<T> {
  let last = context.heartbeatDetails;
  const timer = setInterval(() => context.heartbeat(last), heartbeatEveryMs);
  try {
    return await run({
      ...context,
      heartbeat: (details) => {
        last = details;
        context.heartbeat(details);
      },
    });
  } finally {
    clearInterval(timer);
  }
}

function temporalContext(): ActivityContext {
  const current = Context.current();
  return {
    heartbeat: (details) => current.heartbeat(details),
    heartbeatDetails: current.info.heartbeatDetails,
    cancellationSignal: current.cancellationSignal,
    cancelled: current.cancelled,
  };
}
