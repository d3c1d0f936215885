import type { TrainedModel } from '../../contracts/activities.js';
import { taskQueues } from '../../contracts/task-queues.js';
import { computeActivities } from '../../workers/compose.js';
import { runProcess } from '../../workers/process.js';
import { openWorker } from '../../workers/run-worker.js';
import { openStores } from '../../workers/stores.js';

/** Processes of the benchmark itself, beside those of the platform. */
export type BenchPart = 'empty' | 'compute';
export const emptyQueue = 'bench-empty';

/** Runs one of them until SIGTERM. They have the workers' own options and settings. */
export async function runPart(part: BenchPart): Promise<void> {
  if (part === 'empty') await runProcess('empty steps', (config) => openWorker(config, { ...emptyWork, slots: config.cpuSlots }));
  else await runProcess('compute without training', openCompute);
}

const emptyWork = { taskQueue: emptyQueue, activities: { nothing: async () => undefined }, workflows: true };

/**
 * The CPU worker with everything real but the training: the first run trains, and the others are given its model, so that a
 * hundred runs measure the platform and not LightGBM's start.
 */
async function openCompute(config: Parameters<Parameters<typeof runProcess>[1]>[0]) {
  const stores = await openStores(config, 'bench');
  const activities = await computeActivities(config, stores);
  let trained: Promise<TrainedModel> | undefined;
  const trainModel: typeof activities.trainModel = (input) => (trained ??= activities.trainModel(input));
  const work = { ...activities, trainModel };
  const worker = await openWorker(config, { taskQueue: taskQueues.cpu, activities: work, slots: config.cpuSlots, workflows: false });
  return {
    async run() {
      await worker.run();
      await stores.database.close();
    },
    stop: () => worker.stop(),
  };
}
