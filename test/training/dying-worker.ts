import { createTrainingActivities } from '../../activities/training.activities.js';
import { localCompute } from '../../adapters/compute/local.js';
import { openFileObjectStore } from '../../adapters/objects/file-object-store.js';
import type { TrainInput } from '../../contracts/activities.js';

// A worker that the test kills: it begins one training and follows it until then.
const [options, input] = process.argv.slice(2).map((text) => JSON.parse(text) as unknown) as [
  { home: string; python: string; trainersFolder: string },
  TrainInput,
];
const objects = await openFileObjectStore(`${options.home}/objects`);
const activities = createTrainingActivities({
  objects,
  compute: localCompute({ ...options, objects, threads: 1 }),
  cache: { find: async () => null, store: async () => {} },
  metrics: { log: async () => {} },
  suggester: { suggest: async () => ({}) },
  trainersDigest: 'sha256:test',
  context: () => ({
    heartbeat: () => {},
    heartbeatDetails: undefined,
    cancellationSignal: new AbortController().signal,
    cancelled: new Promise(() => {}),
  }),
});
await activities.trainModel(input);
