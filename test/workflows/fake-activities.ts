import { randomBytes } from 'node:crypto';
import { ApplicationFailure, type Duration } from '@temporalio/common';
import type {
  ApprovalActivities,
  ClockActivities,
  DataActivities,
  EvaluationActivities,
  FeatureSet,
  ImportActivities,
  LifecycleActivities,
  RegistryActivities,
  RolloutActivities,
  TemporalActivities,
  TrainingActivities,
  UpkeepActivities,
} from '../../contracts/activities.js';
import type { ObjectRef, PackageRef } from '../../contracts/artifacts.js';
import type { ApprovalRequest } from '../../domain/approval.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import { defaultPolicy } from '../../domain/policy-rules.js';
import { rolloutPlans } from '../../domain/rollout-plans.js';
import type { StepEvidence } from '../../domain/rollout-verdict.js';

export type AllActivities = RegistryActivities &
  ApprovalActivities &
  LifecycleActivities &
  DataActivities &
  TrainingActivities &
  EvaluationActivities &
  ImportActivities &
  RolloutActivities &
  ClockActivities &
  UpkeepActivities &
  TemporalActivities;

export const hourMs = 3_600_000;

const object = (name: string): ObjectRef => ({ digest: `sha256:${name}`, bytes: 1, mediaType: 'application/octet-stream' });
const features = (name: string): FeatureSet => ({
  object: object(name),
  rows: 100,
  features: ['hour'],
  target: 'y',
  fromMs: 0,
  toMs: 100 * hourMs,
});
const packageRef: PackageRef = { digest: 'sha256:package', files: [{ path: 'model.onnx', digest: 'sha256:onnx', bytes: 1 }] };

/** A small, valid definition for workflow tests; nothing in it is read by faked activities. */
export const tinyDefinition: TrainedDefinition = {
  name: 'tiny',
  description: 'a model of the tests',
  task: 'regression',
  owner: 'tests',
  risk: 'limited',
  source: { kind: 'sql', files: {}, query: 'select 1' },
  window: { days: 10 },
  eventTime: 'at',
  target: { column: 'y', unit: 'things' },
  checks: { columns: [{ name: 'at', type: 'timestamp' }], uniqueBy: ['at'], minRows: 1 },
  features: [{ kind: 'calendar', name: 'hour', part: 'hour' }],
  split: { kind: 'time', trainShare: 0.8 },
  trainer: { name: 'lightgbm', hyperparameters: { num_leaves: 31 }, seed: 7, refit: true, silenceLimitMs: 60_000 },
  tuning: { sampler: 'bayesian', trials: 3, parallelism: 2, objective: 'mape', space: { num_leaves: { kind: 'int', low: 20, high: 100 } } },
  metrics: [{ kind: 'mape', name: 'mape', floor: 100 }],
  gates: [{ kind: 'maximum', metric: 'mape', limit: 0.15, minRows: 10 }],
  serving: { endpointKind: 'realtime', request: [{ name: 'hour', datatype: 'INT64' }], output: { name: 'y' }, subject: ['hour'] },
  approval: { expiresAfterMs: 72 * hourMs },
  rollout: {
    plan: 'fast',
    limits: {
      maxP95Ms: 200,
      maxP95RatioToChampion: 1.5,
      maxErrorRate: 0.001,
      maxErrorRatioToChampion: 2,
      quality: { metric: 'ape', floor: 100 },
      minRequests: 100,
      minPairs: 12,
    },
  },
  retraining: { schedules: [], coolDownMs: 20 * hourMs },
  labels: { expectedDelayMs: hourMs },
  card: { intendedUse: 'tests', primaryUsers: 'tests', limitations: ['made for tests'] },
};

const mape = (value: number) => ({ name: 'mape', kind: 'mape' as const, value, count: 500, excluded: 20, floor: 100 });

/** Evidence of a look that ended with `outcome`. */
export function look(outcome: 'pass' | 'fail' | 'hold', step: StepEvidence['step']): StepEvidence {
  return {
    step,
    limits: tinyDefinition.rollout.limits,
    verdict: { outcome, checks: [], reason: `the test says ${outcome}` },
    champion: null,
    challenger: null,
    pairs: 48,
    championError: 0.14,
    challengerError: 0.13,
    fromMs: 0,
    toMs: hourMs,
  };
}

/**
 * A watch that has seen nothing yet. The time-skipping server stands still while an activity runs, so a fake that only
 * waited would stop the very time that a step waits for: it asks to be tried again later instead. Later than any test
 * looks: when that server's retry of a cancelled activity comes due in a running workflow, time stands still for ever.
 */
export const nothingYet = (nextRetryDelay: Duration = '300 days') => ApplicationFailure.create({ message: 'nothing yet', nextRetryDelay });

export type FakeWorld = {
  /** The test's own model: workflow ids are derived from it. */
  readonly model: string;
  readonly activities: AllActivities;
  /** Every call in order: activity name and its argument. */
  readonly calls: { readonly name: string; readonly input: Record<string, unknown> }[];
  callsOf(name: keyof AllActivities): Record<string, unknown>[];
};

/**
 * Activities that all succeed, for workflow tests: a champion 1.0.0 is live, each run registers the next version, every
 * look passes. A test overrides what its branch needs.
 */
export function fakeWorld(overrides: Partial<AllActivities> = {}, model = `tiny-${randomBytes(4).toString('hex')}`): FakeWorld {
  const calls: FakeWorld['calls'] = [];
  const versions = new Map<string, string>();
  let generation = 0;
  const defaults: AllActivities = {
    activeDefinition: async () => ({ digest: 'sha256:definition', definition: tinyDefinition }),
    beginRun: async () => ({
      published: { digest: 'sha256:definition', definition: tinyDefinition },
      policy: defaultPolicy,
      architectureChanged: false,
      champion: { version: '1.0.0', package: packageRef, trainedToMs: 0 },
    }),
    recordStep: async () => undefined,
    recordTrial: async () => undefined,
    registerVersion: async ({ run }) => {
      if (!versions.has(run)) versions.set(run, `1.0.${versions.size + 1}`);
      return { version: versions.get(run) ?? '' };
    },
    endRun: async () => undefined,
    requestApproval: async ({ version, model, risk, riskReason, requestedBy, expiresAfterMs }) => {
      const request: ApprovalRequest = {
        model,
        version,
        risk,
        riskReason,
        requestedBy,
        approvers: ['ann'],
        evidenceDigest: 'sha256:evidence',
        status: 'pending',
        decisions: [],
        expiresAtMs: expiresAfterMs,
      };
      return { request, settled: null, reason: 'limited risk: one approver decides' };
    },
    decide: async ({ decision }) => ({
      kind: 'settled' as const,
      version: decision.version,
      status: decision.decision === 'approve' ? ('approved' as const) : ('rejected' as const),
      identity: 'claimed' as const,
    }),
    settleApproval: async ({ status }) => ({ status }),
    loadLifecycle: async () => ({ runCount: 0, lastRunAsOfMs: null, paused: null, active: [], rollout: null }),
    setPaused: async () => undefined,
    audit: async () => undefined,
    planRollout: async () => ({ plan: rolloutPlans.fast, limits: tinyDefinition.rollout.limits, champion: '1.0.0', attempt: 1, run: null }),
    extractWindow: async () => ({ digest: 'sha256:data', object: object('data'), rows: 100, columns: [], fromMs: 0, toMs: 100 * hourMs }),
    checkData: async () => ({ rows: 100, columns: [], absentSlots: 0 }),
    buildFeatures: async () => features('all'),
    splitFeatures: async () => ({
      train: features('train'),
      holdout: features('holdout'),
      fit: features('fit'),
      validation: features('validation'),
    }),
    trainModel: async () => ({ onnx: object('onnx'), native: object('native'), manifest: object('manifest'), metrics: [], seconds: 1 }),
    suggestTrial: async ({ number }) => ({ params: { num_leaves: 20 + number } }),
    runTrial: async ({ number, params }) => ({ number, params, state: 'complete' as const, value: 0.15 - number / 100 }),
    evaluateModel: async () => ({
      metrics: [mape(0.13)],
      champion: { version: '1.0.0', metrics: [mape(0.14)], candidateMetrics: [mape(0.135)], rows: 80, fromMs: 0, toMs: 1 },
      residualsByHour: [],
      latencyP95Ms: 0.2,
      rows: 100,
      fromMs: 0,
      toMs: 1,
      object: object('evaluation'),
    }),
    packageModel: async () => packageRef,
    signPackage: async () => ({ ...packageRef, signature: object('signature') }),
    evaluateImport: async () => ({
      latencyP95Ms: 0.4,
      parity: { values: 120, largestDifference: 2e-6, tolerance: 1e-4 },
      framework: 'xgboost 3.1.2',
      shape: { task: 'regression', trainer: 'imported', schemaDigest: 'sha256:tensors', recipeDigest: 'sha256:xgboost' },
      example: object('example'),
      object: object('evaluation'),
    }),
    packageImport: async () => packageRef,
    verifyPackage: async () => ({ digest: packageRef.digest }),
    beginRollout: async () => undefined,
    applyRoute: async () => ({ generation: ++generation }),
    awaitRoute: async () => ({ gateways: 1 }),
    smokeTest: async () => ({ outcome: 'pass' as const, checks: [], reason: 'answered' }),
    watchStep: async (input) => {
      if (input.until === 'breach') throw nothingYet();
      return look('pass', input.step);
    },
    recordRolloutStep: async () => undefined,
    promote: async () => ({ generation: ++generation }),
    takeBack: async () => ({ generation: ++generation }),
    endRollout: async () => undefined,
    rollback: async () => ({ from: '1.0.1', to: '1.0.0', generation: ++generation }),
    readClock: async () => ({ nowMs: 0 }),
    awaitClock: async ({ untilMs }) => ({ nowMs: untilMs }),
    rollUpLatencies: async () => ({ minutes: 60, hours: 1, days: 0, forgotten: 0 }),
    forgetCaptures: async () => [{ model, retentionDays: 90, captures: 5_007, labels: 12 }],
    removeCaptureFiles: async () => [],
    requestRetrain: async () => ({ kind: 'refused' as const, reason: 'not asked in this test' }),
    awaitRun: async () => {
      throw nothingYet();
    },
    describeRun: async () => ({ status: 'running' as const }),
  };
  const activities = Object.fromEntries(
    Object.entries({ ...defaults, ...overrides }).map(([name, activity]) => [
      name,
      async (input: never) => {
        calls.push({ name, input });
        return await (activity as (input: never) => Promise<unknown>)(input);
      },
    ]),
  ) as unknown as AllActivities;
  return { model, activities, calls, callsOf: (name) => calls.filter((call) => call.name === name).map((call) => call.input) };
}
