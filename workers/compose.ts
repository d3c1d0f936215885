import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Client } from '@temporalio/client';
import { createApprovalActivities } from '../activities/approval.activities.js';
import { createArtifactActivities } from '../activities/artifact.activities.js';
import { createClockActivities } from '../activities/clock.activities.js';
import { createDataActivities } from '../activities/data.activities.js';
import { createEvaluationActivities } from '../activities/evaluation.activities.js';
import { createImportActivities } from '../activities/imports.activities.js';
import { createLifecycleActivities } from '../activities/lifecycle.activities.js';
import { createRegistryActivities } from '../activities/registry.activities.js';
import { createRolloutActivities } from '../activities/rollout.activities.js';
import { createTemporalActivities } from '../activities/temporal.activities.js';
import { createTrainingActivities } from '../activities/training.activities.js';
import { createUpkeepActivities } from '../activities/upkeep.activities.js';
import { openCaptureUpkeep } from '../adapters/captures/open-capture-upkeep.js';
import { createSuggester } from '../adapters/compute/suggester.js';
import { localCompute } from '../adapters/compute/local.js';
import { trainersDigest } from '../adapters/compute/trainers-digest.js';
import { duckDbTables } from '../adapters/duckdb/session.js';
import { verifyDecision } from '../adapters/keys/decision-signature.js';
import { ensureSigningKey } from '../adapters/keys/signing-key.js';
import { createFanOut } from '../adapters/notify/fan-out.js';
import { createLogNotifier } from '../adapters/notify/log.js';
import { createSlackNotifier } from '../adapters/notify/slack.js';
import { createModelTrials } from '../adapters/onnx/model-trials.js';
import { createApprovalStore } from '../adapters/postgres/approval-store.js';
import { activeDefinitions } from '../adapters/postgres/definitions.js';
import { createLifecycleStore } from '../adapters/postgres/lifecycle-store.js';
import { createRegistryStore } from '../adapters/postgres/registry-store.js';
import { createRunMetrics } from '../adapters/postgres/run-metrics.js';
import { createCaptureUpkeep } from '../adapters/postgres/serving/capture-upkeep.js';
import { createClock } from '../adapters/postgres/serving/clocks.js';
import { createLatencyUpkeep } from '../adapters/postgres/serving/latency-upkeep.js';
import { createMeasurement } from '../adapters/postgres/serving/measurement.js';
import { createOutcomeStore } from '../adapters/postgres/serving/outcome-store.js';
import { createRolloutStore } from '../adapters/postgres/serving/rollout-store.js';
import { servableVersion } from '../adapters/postgres/serving/route-source.js';
import { createStepCache } from '../adapters/postgres/step-cache.js';
import { createPackageSigner } from '../adapters/signing/package-signer.js';
import { createPackageTrials } from '../gateway/models/package-trials.js';
import type { Config } from './config.js';
import { codeEnvironment, type Stores } from './stores.js';

/** Short activities against Postgres, the gateways and Temporal: queue `lifecycle`. */
export async function lifecycleActivities(config: Config, { database: { db }, objects, verifier }: Stores, client: Client) {
  const packageOf = async (model: string, version: string) => (await servableVersion(db, model, version)).package;
  const noSigner = { sign: () => Promise.reject(new Error('packages are signed on the queue cpu')) };
  const { verifyPackage } = createArtifactActivities({ objects, verifier, signer: noSigner, packageOf });
  const clock = createClock(db);
  return {
    ...createRegistryActivities({ registry: createRegistryStore(db), objects, environment: await codeEnvironment(config) }),
    ...createApprovalActivities({ approvals: createApprovalStore(db), verifyDecision }),
    ...createLifecycleActivities({ lifecycle: createLifecycleStore(db) }),
    ...createRolloutActivities({
      gatewayToken: config.token,
      store: createRolloutStore(db),
      measurement: createMeasurement(db),
      clock,
      objects,
      verifyPackage,
    }),
    ...createClockActivities({ clock }),
    ...createTemporalActivities({ client }),
    ...createUpkeepActivities({
      latencies: createLatencyUpkeep(db),
      captures: createCaptureUpkeep(db),
      files: await openCaptureUpkeep({ ...config.objects, location: config.captures }),
      definitions: () => activeDefinitions(db),
      nowMs: Date.now,
    }),
  };
}

/** Data, training, evaluation and packaging: queues `cpu` and `gpu`. */
export async function computeActivities(config: Config, { database: { db }, objects, verifier }: Stores) {
  const scratchFolder = join(config.home, 'scratch');
  await mkdir(scratchFolder, { recursive: true });
  const cache = createStepCache(db);
  const tables = duckDbTables();
  // Bundled beside the workflows.
  const trials = createModelTrials({ program: join(dirname(config.workflowBundle), 'adapters', 'onnx', 'trial-program.js') });
  const signingKey = await ensureSigningKey(config.keysFolder);
  return {
    ...createDataActivities({
      objects,
      outcomes: createOutcomeStore(db),
      cache,
      tables,
      dataFolder: config.dataFolder,
      scratchFolder,
      nowMs: Date.now,
    }),
    ...createTrainingActivities({
      objects,
      cache,
      metrics: createRunMetrics(db),
      suggester: createSuggester({ python: config.python, trainersFolder: config.trainersFolder }),
      compute: localCompute({ home: config.home, python: config.python, trainersFolder: config.trainersFolder, objects }),
      trainersDigest: await trainersDigest(config.trainersFolder),
    }),
    ...createEvaluationActivities({ objects, cache, tables, scratchFolder, trials }),
    ...createImportActivities({ objects, cache, trials: createPackageTrials(trials) }),
    ...createArtifactActivities({
      objects,
      verifier,
      signer: createPackageSigner(signingKey.privateKeyPem),
      packageOf: async (model, version) => (await servableVersion(db, model, version)).package,
    }),
  };
}

/** Where messages to people go: the log always, Slack when a webhook is set. */
export function notifierOf(config: Config, write: (line: string) => void) {
  const log = createLogNotifier(write);
  return config.slackWebhook === null ? log : createFanOut([log, createSlackNotifier({ webhookUrl: config.slackWebhook })]);
}
