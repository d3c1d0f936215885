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

/** Runs `body` with workers on the real queues and the given activities; every queue is served by one process. */
export async function withWorkers<T>(
  environment: TestWorkflowEnvironment,
  overrides: Partial<AllActivities>,
  body: (world: FakeWorld) => Promise<T>,
): Promise<T> {
  const world = fakeWorld(overrides);
  const shared = {
    connection: environment.nativeConnection,
    namespace: environment.namespace ?? 'default',
    activities: world.activities,
    maxConcurrentActivityTaskExecutions: 50,
    plugins: [plugin()],
    shutdownGraceTime: 0,
    // A watch of a test that never resolves must not hold up the worker's end.
    shutdownForceTime: '500 ms' as const,
  };
  const workers = await Promise.all([
    Worker.create({ ...shared, taskQueue: taskQueues.lifecycle, workflowBundle: await workflowBundle() }),
    Worker.create({ ...shared, taskQueue: taskQueues.cpu }),
  ]);
  const runs = workers.map((worker) => worker.run());
  try {
    return await body(world);
  } finally {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await Promise.allSettled(runs);
  }
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
