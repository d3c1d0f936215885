import { taskQueues } from '../contracts/task-queues.js';
import { computeActivities } from './compose.js';
import { runProcess } from './process.js';
import { openWorker } from './run-worker.js';
import { openStores } from './stores.js';

// Data, features, training, evaluation. It takes work of the queue `gpu` too only when told so: where no GPU worker runs.
await runProcess('cpu worker', async (config) => {
  const stores = await openStores(config, 'cpu');
  const activities = await computeActivities(config, stores);
  const workers = [await openWorker(config, { taskQueue: taskQueues.cpu, activities, slots: config.cpuSlots, workflows: false })];
  if (config.pollGpu) {
    process.stderr.write('cpu worker: PERENNIAL_POLL_GPU=1, so work of the queue gpu runs here, on the CPU\n');
    workers.push(await openWorker(config, { taskQueue: taskQueues.gpu, activities, slots: config.gpuSlots, workflows: false }));
  }
  return {
    async run() {
      await Promise.all(workers.map((worker) => worker.run()));
      await stores.database.close();
    },
    stop: () => {
      for (const worker of workers) worker.stop();
    },
  };
});
