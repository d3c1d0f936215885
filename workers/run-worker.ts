import { Worker, type WorkerOptions } from '@temporalio/worker';
import type { Config } from './config.js';
import { withWireFailures } from './activity-failures.js';
import { sayReady } from './process.js';
import { openTelemetry } from './telemetry.js';
import { connectWorker } from './temporal-connection.js';

export type QueueOptions = {
  readonly taskQueue: string;
  readonly activities: object;
  readonly slots: number;
  /** Only the lifecycle worker runs workflows. */
  readonly workflows: boolean;
};

/** Opens a worker of one queue; `run` resolves when the process was told to stop and all work is handed back. */
export async function openWorker(config: Config, options: QueueOptions): Promise<{ run(): Promise<void>; stop(): void }> {
  const { connection, namespace } = await connectWorker(config);
  const plugin = openTelemetry({ service: `perennial-${options.taskQueue}`, otlpEndpoint: config.otlpEndpoint });
  const settings: WorkerOptions = {
    connection,
    namespace,
    taskQueue: options.taskQueue,
    identity: `${options.taskQueue}@${config.workerId}`,
    activities: withWireFailures(options.activities),
    maxConcurrentActivityTaskExecutions: options.slots,
    // Cancellation reaches an activity through its heartbeats: at most this late.
    maxHeartbeatThrottleInterval: '1 second',
    // What works gets time to hand back; what only watches is picked up by the next worker from where it stands.
    shutdownGraceTime: options.workflows ? '1 second' : '10 seconds',
    plugins: [plugin],
    ...(options.workflows
      ? {
          workflowBundle: { codePath: config.workflowBundle },
          // With the default an update waits ten seconds after a worker was killed, and a rollback must not.
          stickyQueueScheduleToStartTimeout: '1 second' as const,
        }
      : {}),
  };
  const worker = await Worker.create(settings);
  return {
    async run() {
      sayReady(options.taskQueue);
      try {
        await worker.run();
      } finally {
        await connection.close();
      }
    },
    stop: () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
    },
  };
}
