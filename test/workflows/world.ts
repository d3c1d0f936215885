import './quiet-runtime.js';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { workflowIds } from '../../contracts/ids.js';
import type { LifecycleInput } from '../../contracts/lifecycle.js';
import { taskQueues } from '../../contracts/task-queues.js';
import { modelLifecycle } from '../../workflows/index.js';
import { openTelemetry } from '../../workers/telemetry.js';
import { type AllActivities, fakeWorld, type FakeWorld } from './fake-activities.js';

const plugin = () => openTelemetry({ service: 'test', otlpEndpoint: null });
let bundle: Promise<WorkflowBundleWithSourceMap> | undefined;

/** The real workflow bundle, made once a test process. */
export function workflowBundle(): Promise<WorkflowBundleWithSourceMap> {
  bundle ??= bundleWorkflowCode({ workflowsPath: fileURLToPath(new URL('../../workflows/index.ts', import.meta.url)), plugins: [plugin()] });
  return bundle;
}

/** Workers on the real queues, with activities that a test gives by `use`. */
export type TestWorkers = { use(overrides?: Partial<AllActivities>): FakeWorld; close(): Promise<void> };

export async function openWorkers(environment: TestWorkflowEnvironment): Promise<TestWorkers> {
  let world = fakeWorld();
  // The names are fixed when a worker is made; what they do is looked up at each call.
  const activities = Object.fromEntries(
    Object.keys(world.activities).map((name) => [name, (input: never) => world.activities[name as keyof AllActivities](input)]),
  );
  const shared = {
    connection: environment.nativeConnection,
    namespace: environment.namespace ?? 'default',
    activities,
    maxConcurrentActivityTaskExecutions: 50,
    plugins: [plugin()],
    shutdownGraceTime: 0,
  };
  const workers = await Promise.all([
    Worker.create({ ...shared, taskQueue: taskQueues.lifecycle, workflowBundle: await workflowBundle() }),
    Worker.create({ ...shared, taskQueue: taskQueues.cpu }),
  ]);
  const runs = workers.map((worker) => worker.run());
  return {
    use(overrides = {}) {
      world = fakeWorld(overrides);
      return world;
    },
    async close() {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.allSettled(runs);
    },
  };
}

/** A model name of the test's own: workflow ids are derived from it. */
export const freshModel = () => `tiny-${randomBytes(4).toString('hex')}`;

export async function startLifecycle(environment: TestWorkflowEnvironment, input: LifecycleInput) {
  return await environment.client.workflow.start(modelLifecycle, {
    workflowId: workflowIds.model(input.model),
    taskQueue: taskQueues.lifecycle,
    args: [input],
  });
}
