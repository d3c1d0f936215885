import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createApprovalActivities } from '../../activities/approval.activities.js';
import { packageDigest } from '../../activities/artifact.activities.js';
import { createRegistryActivities } from '../../activities/registry.activities.js';
import { ensureSigningKey } from '../../adapters/keys/signing-key.js';
import { createApprovalStore } from '../../adapters/postgres/approval-store.js';
import { publishDefinitions } from '../../adapters/postgres/definitions.js';
import { createRegistryStore } from '../../adapters/postgres/registry-store.js';
import { createDrivenClock } from '../../adapters/postgres/serving/clocks.js';
import { changeRoute } from '../../adapters/postgres/serving/route-state.js';
import { createPackageSigner } from '../../adapters/signing/package-signer.js';
import { verifyDecision } from '../../adapters/keys/decision-signature.js';
import type { PackageRef } from '../../contracts/artifacts.js';
import { defineModel } from '../../contracts/define-model.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import type { RolloutPlanName } from '../../domain/rollout-plan.js';
import { choosePlan } from '../../domain/rollout-plans.js';
import { twoNumbers } from '../gateway/support/stage.js';
import { resultOf } from '../registry/world.js';
import { tinyDefinition } from '../workflows/fake-activities.js';
import type { Stack } from './stack.js';

const startMs = Date.parse('2011-10-01T00:00:00Z');

/** What a definition says of a model of two numbers, a and b, trained on the rows of a file. */
export function ofTwoNumbers(file: string, minRows: number) {
  return {
    source: { kind: 'sql', files: { rows: file }, query: 'select hour, a, b, y from rows' },
    eventTime: 'hour',
    checks: {
      columns: [
        { name: 'hour', type: 'timestamp' },
        { name: 'a', type: 'number' },
        { name: 'b', type: 'number' },
        { name: 'y', type: 'number' },
      ],
      uniqueBy: ['hour'],
      minRows,
    },
    features: twoNumbers.features,
    serving: { endpointKind: 'realtime', request: twoNumbers.request, output: twoNumbers.output, subject: ['hour'] },
  } as const;
}

type Toy = { readonly maxP95Ms: number; readonly plan: RolloutPlanName };

/** A model of two numbers whose answer is a + 10 b (fixture `linear`); low risk, so that policy approves. */
function toyDefinition(name: string, { maxP95Ms, plan }: Toy): TrainedDefinition {
  return defineModel({
    ...tinyDefinition,
    name,
    risk: 'low',
    ...ofTwoNumbers('none.csv', 1),
    rollout: {
      plan,
      limits: { ...tinyDefinition.rollout.limits, maxP95Ms, latencyRatioFloorMs: maxP95Ms, minRequests: 20, minPairs: 6 },
    },
  });
}

/** Publishes the definition and sets its driven clock to `startMs`. */
export async function publishToy(
  stack: Stack,
  name: string,
  { maxP95Ms, plan = 'fast' }: Pick<Toy, 'maxP95Ms'> & Partial<Toy>,
): Promise<TrainedDefinition> {
  const definition = toyDefinition(name, { maxP95Ms, plan });
  await publishDefinitions(stack.database.db, { definitions: [definition], by: 'e2e', reason: 'a test' });
  await createDrivenClock(stack.database.db, { name, nowMs: startMs });
  return definition;
}

/** Registers a fixture as an approved version, the way a run does: package, signature, registration, approval by policy. */
export async function seedVersion(stack: Stack, definition: TrainedDefinition, fixture: string): Promise<string> {
  const { db } = stack.database;
  const registry = createRegistryActivities({
    registry: createRegistryStore(db),
    objects: stack.objects,
    environment: { codeRevision: 'e2e', recipeRevision: 'e2e', machine: {}, packages: {} },
  });
  const approvals = createApprovalActivities({ approvals: createApprovalStore(db), verifyDecision });
  const { digest } = await registry.activeDefinition({ model: definition.name });
  const run = `seed-${fixture}-${Math.random().toString(36).slice(2, 8)}`;
  const plan = await registry.beginRun({
    model: definition.name,
    run,
    definitionDigest: digest,
    clock: { kind: 'driven', name: definition.name },
    asOfMs: startMs,
    trigger: 'manual',
    requestedBy: 'e2e',
    reason: 'seed',
    useCache: true,
  });
  const evaluation = await stack.objects.put(Buffer.from('{}'), 'application/json');
  const metrics = [{ name: 'wape', kind: 'wape' as const, value: 0.01, count: 100, excluded: 0 }];
  const { version } = await registry.registerVersion({
    model: definition.name,
    run,
    definitionDigest: digest,
    package: await pack(stack, definition.name, fixture),
    metrics,
    championMetrics: [],
    gates: [],
    evaluation,
    hyperparameters: {},
    dataset: { digest: `sha256:${run}`, object: evaluation, rows: 1, columns: [], fromMs: 0, toMs: startMs },
    trainedFromMs: 0,
    trainedToMs: startMs,
    risk: 'low',
    riskReason: 'seeded',
    refused: null,
  });
  await approvals.requestApproval({
    model: definition.name,
    version,
    run,
    risk: 'low',
    riskReason: 'seeded',
    requestedBy: 'e2e',
    plan: choosePlan({ named: definition.rollout.plan, risk: 'low', endpointKind: 'realtime', hasChampion: plan.champion !== null }),
    gates: [],
    metrics,
    championMetrics: [],
    expiresAfterMs: 3_600_000,
    firstVersion: plan.champion === null,
  });
  await registry.endRun(resultOf({ model: definition.name, run }, { version, outcome: 'superseded', reason: 'seeded', metrics }));
  return version;
}

/** Publishes the model and sends every request to a version of it whose answer is a + 10 b. */
export async function serveToy(stack: Stack, model: string): Promise<void> {
  const definition = await publishToy(stack, model, { maxP95Ms: 10_000 });
  const version = await seedVersion(stack, definition, 'linear');
  const target = { variants: [{ version, weight: 1 }], shadow: null, standby: [], salt: 'e2e' };
  const change = { model, expected: 0, target, kind: 'step', promotionId: 'e2e', stepIndex: 0, by: 'e2e', reason: 'a test' } as const;
  await stack.database.db.transaction().execute((trx) => changeRoute(trx, change));
}

async function pack(stack: Stack, model: string, fixture: string): Promise<PackageRef> {
  const example = {
    inputs: [
      { name: 'hour', datatype: 'INT64', shape: [1], data: [startMs] },
      { name: 'a', datatype: 'FP64', shape: [1], data: [50] },
      { name: 'b', datatype: 'FP64', shape: [1], data: [20] },
    ],
  };
  const contents: Record<string, Uint8Array> = {
    'card.md': Buffer.from('# toy\n'),
    'input-example.json': Buffer.from(JSON.stringify(example)),
    'manifest.json': Buffer.from('{}'),
    'model.onnx': await readFile(new URL(`../gateway/fixtures/${fixture}.onnx`, import.meta.url)),
    'serving.json': Buffer.from(JSON.stringify({ model, ...twoNumbers })),
  };
  const files = await Promise.all(
    Object.entries(contents).map(async ([path, bytes]) => {
      const stored = await stack.objects.put(bytes, 'application/octet-stream');
      return { path, digest: stored.digest, bytes: stored.bytes };
    }),
  );
  const { privateKeyPem } = await ensureSigningKey(join(stack.home, 'keys'));
  const bundle = await createPackageSigner(privateKeyPem).sign({ name: `${model}-${fixture}`, files });
  return {
    digest: packageDigest(files),
    files,
    signature: await stack.objects.put(bundle, 'application/vnd.dev.sigstore.bundle.v0.3+json'),
  };
}
