import './quiet-runtime.js';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, type ReplayWorkerOptions, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { workflowIds } from '../../contracts/ids.js';
import type { LifecycleInput } from '../../contracts/lifecycle.js';
import { taskQueues } from '../../contracts/task-queues.js';
import { modelLifecycle } from '../../workflows/index.js';
import { openTelemetry } from '../../workers/telemetry.js';
import { freshNamespace, timeSkipping } from '../support/temporal.js';
import { type AllActivities, fakeWorld, type FakeWorld } from './fake-activities.js';

const plugin = () => openTelemetry({ service: 'test', otlpEndpoint: null });
let bundle: Promise<WorkflowBundleWithSourceMap> | undefined;

/** The real workflow bundle, made once a test process. */
export function workflowBundle(): Promise<WorkflowBundleWithSourceMap> {
  bundle ??= bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../../workflows/index.ts', import.meta.url)),
    plugins: [plugin()],
    logger: new DefaultLogger('WARN'),
  });
  return bundle;
}

/** What a worker that replays histories is made of: the same bundle and interceptors as those that wrote them. */
export async function replayOptions(): Promise<ReplayWorkerOptions> {
  return { workflowBundle: await workflowBundle(), plugins: [plugin()] };
}

/** A Temporal server with workers on the real queues, whose activities a test gives by `use`. */
export class Stage {
  #environment: TestWorkflowEnvironment | undefined;
  #worlds: FakeWorld[] = [];
  #close: (() => Promise<void>) | undefined;
  readonly #open: () => Promise<TestWorkflowEnvironment>;

  constructor(open: () => Promise<TestWorkflowEnvironment>) {
    this.#open = open;
  }

  get environment(): TestWorkflowEnvironment {
    if (this.#environment === undefined) throw new Error('the stage is not open: make it by timeSkippingStage() or devServerStage()');
    return this.#environment;
  }

  /** A new model with activities of its own. */
  use(overrides: Partial<AllActivities> = {}): FakeWorld {
    const world = fakeWorld(overrides);
    this.#worlds.push(world);
    return world;
  }

  /** Starts `model:<name>` of a world. */
  async lifecycle(
    world: FakeWorld,
    input: Partial<LifecycleInput> = {},
  ): Promise<WorkflowHandleWithFirstExecutionRunId<typeof modelLifecycle>> {
    return await this.environment.client.workflow.start(modelLifecycle, {
      workflowId: workflowIds.model(world.model),
      taskQueue: taskQueues.lifecycle,
      args: [{ model: world.model, clock: { kind: 'live' }, ...input }],
    });
  }

  async open(): Promise<void> {
    this.#environment = await this.#open();
    const shared = {
      connection: this.#environment.nativeConnection,
      namespace: this.#environment.namespace ?? 'default',
      activities: this.#activities(),
      maxConcurrentActivityTaskExecutions: 50,
      plugins: [plugin()],
      shutdownGraceTime: 0,
    };
    const workers = await Promise.all([
      Worker.create({ ...shared, taskQueue: taskQueues.lifecycle, workflowBundle: await workflowBundle() }),
      Worker.create({ ...shared, taskQueue: taskQueues.cpu }),
    ]);
    const runs = workers.map((worker) => worker.run());
    const environment = this.#environment;
    this.#close = async () => {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.allSettled(runs);
      await environment.teardown();
    };
  }

  async close(): Promise<void> {
    await this.#close?.();
    this.#close = undefined;
    this.#worlds = [];
  }

  /** The names are fixed when a worker is made; which test's fake answers follows from the model in the call. */
  #activities(): Record<string, (input: never) => unknown> {
    const names = Object.keys(fakeWorld().activities) as (keyof AllActivities)[];
    return Object.fromEntries(
      names.map((name) => [
        name,
        (input: never) => {
          const said = JSON.stringify(input ?? null);
          const world = this.#worlds.find(({ model }) => said.includes(model)) ?? this.#worlds.at(-1);
          if (world === undefined) throw new Error(`activity ${name} was called before a test gave its fakes`);
          return world.activities[name](input);
        },
      ]),
    );
  }
}

/**
 * A server of the file's own that skips time while a result is awaited. Its time is global, and a test that failed may
 * have left it standing still (an activity or a workflow task that nobody finished), so the next one gets a new server.
 */
export function timeSkippingStage(): Stage {
  const stage = hooked(new Stage(timeSkipping));
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    await stage.close();
    await stage.open();
  });
  return stage;
}

/** A namespace of the file's own on the dev server: a real server, real time. */
export function devServerStage(): Stage {
  return hooked(new Stage(async () => await TestWorkflowEnvironment.createFromExistingServer(await freshNamespace())));
}

function hooked(stage: Stage): Stage {
  beforeAll(() => stage.open());
  afterAll(() => stage.close());
  return stage;
}
