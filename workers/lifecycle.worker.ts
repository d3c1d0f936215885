import { followOutbox } from '../activities/notify.activities.js';
import { createOutboxStore } from '../adapters/postgres/outbox-store.js';
import { migrate } from '../adapters/postgres/migrator.js';
import { taskQueues } from '../contracts/task-queues.js';
import { ensureUpkeepSchedule } from '../schedules/upkeep-schedule.js';
import { lifecycleActivities, notifierOf } from './compose.js';
import { runProcess } from './process.js';
import { openWorker } from './run-worker.js';
import { openStores } from './stores.js';
import { openTelemetry } from './telemetry.js';
import { connectClient } from './temporal-connection.js';

/** Watches wait in their slot for hours and use no core: there must be room for one or two a model. */
const watchSlots = 500;

// The control worker: workflows, short activities, and the outbox.
await runProcess('lifecycle worker', async (config) => {
  const stores = await openStores(config, 'lifecycle');
  await migrate(stores.database.db);
  const { client, close } = await connectClient(
    config,
    openTelemetry({ service: 'perennial-lifecycle', otlpEndpoint: config.otlpEndpoint }),
  );
  const worker = await openWorker(config, {
    taskQueue: taskQueues.lifecycle,
    activities: await lifecycleActivities(config, stores, client),
    slots: watchSlots,
    workflows: true,
  });
  const say = (line: string) => process.stderr.write(`${line}\n`);
  // Who may not make schedules still works; ./perennial upkeep does the same by hand.
  await ensureUpkeepSchedule(client.schedule).catch((error: unknown) =>
    say(`the schedule of the upkeep cannot be made: ${error instanceof Error ? error.message : String(error)}`),
  );
  const outbox = followOutbox(
    { outbox: createOutboxStore(stores.database.db), notifier: notifierOf(config, say) },
    { onTrouble: (error) => say(`outbox: ${error instanceof Error ? error.message : String(error)}`) },
  );
  return {
    async run() {
      await worker.run();
      await outbox.stop();
      await close();
      await stores.database.close();
    },
    stop: () => worker.stop(),
  };
});
