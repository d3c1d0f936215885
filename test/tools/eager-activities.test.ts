import '../workflows/quiet-runtime.js';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { root } from '../../tools/places.mjs';
import { freshNamespace } from '../support/temporal.js';

test('an activity of its workflow’s own queue goes out with the workflow task, to the same worker', async () => {
  const { address, namespace } = await freshNamespace();
  // One connection takes no two workers of the same queue.
  const [connection, another] = [await NativeConnection.connect({ address }), await NativeConnection.connect({ address })];
  const options = { connection, namespace, taskQueue: 'both', activities: { nothing: async () => undefined } };
  const workflowsPath = join(root, 'bench', 'lifecycle', 'empty-steps.workflow.ts');
  const first = await Worker.create({ ...options, identity: 'workflows and activities', workflowsPath });
  const second = await Worker.create({ ...options, connection: another, identity: 'activities alone' });
  const client = new Client({ connection: await Connection.connect({ address }), namespace });
  const handle = await first.runUntil(
    second.runUntil(async () => {
      const started = await client.workflow.start('emptySteps', { taskQueue: 'both', workflowId: 'eager' });
      await started.result();
      return started;
    }),
  );
  const { events } = await handle.fetchHistory();
  const ranOn = events?.flatMap(({ activityTaskStartedEventAttributes: started }) => started?.identity ?? []);
  expect(ranOn).toEqual(Array(10).fill('workflows and activities'));
  await client.connection.close();
  await connection.close();
  await another.close();
});
