import { ActivityCancellationType, proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type {
  ApprovalActivities,
  ClockActivities,
  DataActivities,
  EvaluationActivities,
  ImportActivities,
  LifecycleActivities,
  RegistryActivities,
  RolloutActivities,
  TemporalActivities,
  TrainingActivities,
  UpkeepActivities,
} from '../contracts/activities.js';
import { taskQueues } from '../contracts/task-queues.js';

// Every timeout and retry of the platform. What can never succeed is thrown as non-retryable where the cause is known.

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Short statements against Postgres. They outlast an outage of any length: a run must not fail because the registry was away. */
const untilItIsBack = { initialInterval: second, backoffCoefficient: 2, maximumInterval: 30 * second };

/** Somebody waits for the answer of an update: a few quick tries, then the refusal says what is away. */
const whileSomebodyWaits = { initialInterval: 200, backoffCoefficient: 2, maximumInterval: second, maximumAttempts: 4 };

/** Loads from outside: 3 attempts, exponential waits of 4 to 10 s. */
const fromOutside = { initialInterval: 4 * second, backoffCoefficient: 2, maximumInterval: 10 * second, maximumAttempts: 3 };

/** Work on a worker that may die: tried again elsewhere, where it finds its job running or its checkpoint. */
const elsewhere = { initialInterval: second, backoffCoefficient: 2, maximumInterval: 30 * second, maximumAttempts: 5 };

export const registry = proxyActivities<RegistryActivities & ApprovalActivities & LifecycleActivities>({
  taskQueue: taskQueues.lifecycle,
  startToCloseTimeout: 30 * second,
  retry: untilItIsBack,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

/** The same activities where a person waits for the answer. */
export const promptly = proxyActivities<ApprovalActivities & LifecycleActivities & RolloutActivities & RegistryActivities>({
  taskQueue: taskQueues.lifecycle,
  startToCloseTimeout: 10 * second,
  scheduleToCloseTimeout: 20 * second,
  retry: whileSomebodyWaits,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

/** Progress notes: in the worker itself, and losing one to a crash costs nothing (the query has it). */
export const notes = proxyLocalActivities<Pick<RegistryActivities, 'recordStep' | 'recordTrial'>>({
  startToCloseTimeout: 5 * second,
  retry: { initialInterval: 100, maximumInterval: second, maximumAttempts: 20 },
});

export const data = proxyActivities<Omit<DataActivities, 'extractWindow'>>({
  taskQueue: taskQueues.cpu,
  startToCloseTimeout: 30 * minute,
  retry: elsewhere,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

export const loads = proxyActivities<Pick<DataActivities, 'extractWindow'>>({
  taskQueue: taskQueues.cpu,
  startToCloseTimeout: hour,
  retry: fromOutside,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

/** A trainer is waited for when it is cancelled: otherwise the next one starts beside it. */
export const training = proxyActivities<Pick<TrainingActivities, 'trainModel' | 'runTrial'>>({
  taskQueue: taskQueues.cpu,
  startToCloseTimeout: day,
  heartbeatTimeout: 10 * second,
  retry: elsewhere,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

export const suggestions = proxyActivities<Pick<TrainingActivities, 'suggestTrial'>>({
  taskQueue: taskQueues.cpu,
  startToCloseTimeout: minute,
  retry: elsewhere,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

export const evaluation = proxyActivities<EvaluationActivities>({
  taskQueue: taskQueues.cpu,
  startToCloseTimeout: 30 * minute,
  retry: elsewhere,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

export const imports = proxyActivities<ImportActivities>({
  taskQueue: taskQueues.cpu,
  startToCloseTimeout: 30 * minute,
  retry: elsewhere,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

export const serving = proxyActivities<Omit<RolloutActivities, 'awaitRoute' | 'watchStep' | 'smokeTest'>>({
  taskQueue: taskQueues.lifecycle,
  startToCloseTimeout: minute,
  retry: untilItIsBack,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

/** Asks the gateways; each try is bounded, and so are the tries: a version that no gateway can answer for is not rolled out. */
export const gateways = proxyActivities<Pick<RolloutActivities, 'awaitRoute' | 'smokeTest'>>({
  taskQueue: taskQueues.lifecycle,
  startToCloseTimeout: 2 * minute,
  heartbeatTimeout: 10 * second,
  retry: { initialInterval: second, backoffCoefficient: 2, maximumInterval: 10 * second, maximumAttempts: 5 },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** Watches look and wait; after a worker's death another goes on within the heartbeat timeout. */
export const watches = proxyActivities<
  Pick<RolloutActivities, 'watchStep'> & Pick<TemporalActivities, 'awaitRun'> & Pick<ClockActivities, 'awaitClock'>
>({
  taskQueue: taskQueues.lifecycle,
  startToCloseTimeout: 60 * day,
  heartbeatTimeout: 5 * second,
  retry: { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 10 * second },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

export const clocks = proxyActivities<Pick<ClockActivities, 'readClock'>>({
  taskQueue: taskQueues.lifecycle,
  startToCloseTimeout: 10 * second,
  retry: untilItIsBack,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

export const temporal = proxyActivities<Pick<TemporalActivities, 'requestRetrain' | 'describeRun'>>({
  taskQueue: taskQueues.lifecycle,
  startToCloseTimeout: 30 * second,
  retry: untilItIsBack,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** Removes and merges what is old, in portions; what one try has done the next one need not do again. */
export const upkeepOf = proxyActivities<UpkeepActivities>({
  taskQueue: taskQueues.lifecycle,
  startToCloseTimeout: 6 * hour,
  heartbeatTimeout: 10 * second,
  retry: elsewhere,
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});
