import { join } from 'node:path';
import type { FeatureSet, TrainedModel } from '../../contracts/activities.js';
import { createDataActivities } from '../../activities/data.activities.js';
import { createEvaluationActivities } from '../../activities/evaluation.activities.js';
import { createTrainingActivities } from '../../activities/training.activities.js';
import { localCompute } from '../../adapters/compute/local.js';
import { trainersDigest } from '../../adapters/compute/trainers-digest.js';
import { createModelTrials } from '../../adapters/onnx/model-trials.js';
import type { HyperparameterValue, TrainedDefinition } from '../../domain/model-definition.js';
import type { DataWorld } from '../data/world.js';
import { trialProgram } from '../gateway/support/trial-program.js';
import { testPlaces } from '../support/servers.js';

export const context = { run: 'run-1', useCache: true } as const;

/** The real data, training and evaluation activities on one world. */
export async function activitiesOf(world: DataWorld) {
  const places = testPlaces();
  const trainersFolder = join(places.root, 'trainers');
  const compute = localCompute({
    home: join(world.scratchFolder, 'home'),
    python: places.python,
    trainersFolder,
    objects: world.objects,
    threads: 1,
  });
  const activityContext = {
    heartbeat: () => undefined,
    heartbeatDetails: undefined,
    cancellationSignal: new AbortController().signal,
    cancelled: new Promise<never>(() => undefined),
  };
  return {
    ...createDataActivities(world),
    ...createEvaluationActivities({ ...world, trials: createModelTrials({ program: trialProgram() }) }),
    ...createTrainingActivities({
      compute,
      objects: world.objects,
      cache: world.cache,
      metrics: { log: async () => undefined },
      suggester: { suggest: () => Promise.reject(new Error('no study here')) },
      trainersDigest: await trainersDigest(trainersFolder),
      context: () => activityContext,
    }),
  };
}

export type Activities = Awaited<ReturnType<typeof activitiesOf>>;

/** Window, checks, features and split of a definition as of a time. */
export async function prepared(activities: Activities, definition: TrainedDefinition, asOfMs: number) {
  const step = { ...context, model: definition.name, definition };
  const dataset = await activities.extractWindow({ ...step, asOfMs });
  await activities.checkData({ ...step, dataset, asOfMs });
  const features = await activities.buildFeatures({ ...step, dataset });
  return { dataset, features, ...(await activities.splitFeatures({ ...step, features })) };
}

/** A model trained on one feature set by the real trainer. */
export async function trained(
  activities: Activities,
  definition: TrainedDefinition,
  given: { on: FeatureSet; purpose: string; hyperparameters?: Record<string, HyperparameterValue> },
): Promise<TrainedModel> {
  const { trainer, name: model } = definition;
  return activities.trainModel({
    ...context,
    model,
    purpose: given.purpose,
    trainer,
    hyperparameters: { ...trainer.hyperparameters, ...given.hyperparameters },
    train: given.on.object,
    features: given.on.features,
    target: given.on.target,
  });
}
