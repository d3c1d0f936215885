import { taskQueues } from '../contracts/task-queues.js';
import { computeActivities } from './compose.js';
import { runProcess } from './process.js';
import { openWorker } from './run-worker.js';
import { openStores } from './stores.js';

// Training that wants an accelerator.
await runProcess('gpu worker', async (config) => {
  const stores = await openStores(config, 'gpu');
  const worker = await openWorker(config, {
    taskQueue: taskQueues.gpu,
    activities: await computeActivities(config, stores),
    slots: config.gpuSlots,
    workflows: false,
  });
  return {
    async run() {
      await worker.run();
      await stores.database.close();
    },
    stop: () => worker.stop(),
  };
});
