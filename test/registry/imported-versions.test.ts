import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createApprovalActivities } from '../../activities/approval.activities.js';
import { createLifecycleActivities } from '../../activities/lifecycle.activities.js';
import { importedShape } from '../../activities/version-shape.js';
import { verifyDecision } from '../../adapters/keys/decision-signature.js';
import { moveAlias } from '../../adapters/postgres/aliases.js';
import { createApprovalStore } from '../../adapters/postgres/approval-store.js';
import { auditTrail } from '../../adapters/postgres/audit-queries.js';
import { inTransaction } from '../../adapters/postgres/database.js';
import { publishDefinitions } from '../../adapters/postgres/definitions.js';
import { createLifecycleStore } from '../../adapters/postgres/lifecycle-store.js';
import { resolveUri } from '../../adapters/postgres/model-uri.js';
import { showRun } from '../../adapters/postgres/run-queries.js';
import { createRolloutStore } from '../../adapters/postgres/serving/rollout-store.js';
import { listVersions, showVersion } from '../../adapters/postgres/version-queries.js';
import type { RegistryActivities } from '../../contracts/activities.js';
import type { ImportedDefinition } from '../../domain/model-definition.js';
import { rolloutPlans } from '../../domain/rollout-plans.js';
import type { VersionShape } from '../../domain/version.js';
import { fieldsDefinition, tensorsDefinition } from '../support/imported-definitions.js';
import { asOfMs, registryWorld } from './world.js';

const world = registryWorld();
type Registration = Parameters<RegistryActivities['registerVersion']>[0];
type Published = { readonly model: string; readonly digest: string; readonly definition: ImportedDefinition };

async function publish(change: Partial<ImportedDefinition> = {}): Promise<Published> {
  const definition = { ...tensorsDefinition, name: `model-${randomBytes(4).toString('hex')}`, ...change };
  const [published] = await publishDefinitions(world.db(), { definitions: [definition], by: 'ann' });
  return { model: definition.name, digest: published!.digest, definition };
}

const tensors = {
  inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1, 64] }],
  outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 10] }],
};
const shapeOf = (definition: ImportedDefinition, { framework = 'xgboost 3.1.2', signature = tensors } = {}): VersionShape =>
  importedShape(definition, { signature, framework });

/** What a run that imported a file registers. */
const ofFile = (definition: ImportedDefinition, over: Partial<Registration> = {}): Partial<Registration> => ({
  metrics: [],
  championMetrics: [],
  hyperparameters: {},
  dataset: null,
  trainedFromMs: null,
  trainedToMs: null,
  shape: shapeOf(definition),
  framework: 'xgboost 3.1.2',
  ...over,
});
const register = (published: Published, run: string, over: Partial<Registration> = {}) =>
  world.register(published, run, ofFile(published.definition, over));
const makeChampion = ({ model }: { model: string }, version: string) =>
  inTransaction(world.db(), (trx) =>
    moveAlias(trx, { model, alias: 'champion', expected: null, to: version, by: 'ann', reason: 'test', promotionId: `p-${model}` }),
  );

test('a file of the same tensors and framework is a patch, of another framework a minor, with other tensors a major version', async () => {
  const published = await publish();
  const { model, definition } = published;
  const wider = { ...tensors, inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1, 128] }] };
  expect(await register(published, 'r-1')).toBe('1.0.0');
  expect(await register(published, 'r-2')).toBe('1.0.1');
  // Another version of the framework is the same framework, however it is written.
  const newer = ' XGBoost  3.2.0';
  expect(await register(published, 'r-3', { framework: newer, shape: shapeOf(definition, { framework: newer }) })).toBe('1.0.2');
  const sklearn = { framework: 'scikit-learn 1.7', shape: shapeOf(definition, { framework: 'scikit-learn 1.7' }) };
  expect(await register(published, 'r-4', sklearn)).toBe('1.1.0');
  expect(await register(published, 'r-5', { shape: shapeOf(definition, { signature: wider }) })).toBe('2.0.0');
  const listed = await listVersions(world.db(), { model });
  expect(listed.map(({ version, changelog, previousVersion }) => [version, previousVersion, changelog])).toEqual([
    ['2.0.0', '1.1.0', 'imported from xgboost 3.1.2; takes or answers other tensors than 1.1.0, or is another kind of model'],
    ['1.1.0', '1.0.2', 'imported from scikit-learn 1.7; another framework or other features than 1.0.2'],
    ['1.0.2', '1.0.1', 'imported from XGBoost  3.2.0; takes and answers what 1.0.1 does'],
    ['1.0.1', '1.0.0', 'imported from xgboost 3.1.2; takes and answers what 1.0.0 does'],
    ['1.0.0', null, 'first version, imported from xgboost 3.1.2'],
  ]);
});

test('its shape goes by what callers notice: the output that captures hold, the task, and the features', () => {
  const base = shapeOf(fieldsDefinition);
  const { serving } = fieldsDefinition;
  const output = shapeOf({ ...fieldsDefinition, serving: { ...serving, output: { name: 'price' } } });
  expect(output.schemaDigest).not.toBe(base.schemaDigest);
  expect(shapeOf({ ...fieldsDefinition, task: 'other' }).task).not.toBe(base.task);
  expect(shapeOf({ ...fieldsDefinition, features: fieldsDefinition.features.slice(1) })).toMatchObject({
    schemaDigest: base.schemaDigest,
    recipeDigest: expect.not.stringContaining(base.recipeDigest) as string,
  });
  const card = { ...fieldsDefinition.card, limitations: ['other words'] };
  expect(shapeOf({ ...fieldsDefinition, card, gates: [{ kind: 'latency', maxP95Ms: 1 }] })).toEqual(base);
});

test('a version without data is listed, shown, found by its URI and audited, with what nobody said as null', async () => {
  const published = await publish();
  const { model } = published;
  const version = await register(published, 'r-1', { trainedToMs: asOfMs });
  const other = await register(published, 'r-2');
  expect(await listVersions(world.db(), { model })).toMatchObject([
    { version: other, trainedFromMs: null, trainedToMs: null, metrics: [] },
    { version, trainedFromMs: null, trainedToMs: asOfMs },
  ]);
  const shown = await showVersion(world.db(), { model, version });
  expect(shown).toMatchObject({
    datasetDigest: null,
    hyperparameters: {},
    features: [],
    signature: { request: [], output: { name: 'probabilities' } },
    stage: 'None',
    approval: 'pending',
  });
  expect(shown.audit).toMatchObject([{ action: 'version.register', outcome: 'done', by: 'ann' }]);
  const [entry] = await auditTrail(world.db(), { model, version: other });
  expect(entry).toMatchObject({
    reason: `imported from xgboost 3.1.2; takes and answers what ${version} does; risk limited: declared by the definition`,
    details: { dataset: null, metrics: [], version: other },
  });
  expect(await resolveUri(world.db(), `models:/${model}/latest`)).toEqual({ model, version: other });
  expect(await showRun(world.db(), { model, run: 'r-1' })).toMatchObject({ dataDigest: null, seeds: {}, version, trials: [] });
});

test('a champion that was imported is told to the next run, also when nobody said what it was trained on', async () => {
  const published = await publish();
  const version = await register(published, 'r-1');
  await makeChampion(published, version);
  const input = await world.begin(published, 'r-2');
  expect(await world.activities().beginRun(input)).toMatchObject({
    champion: { version, trainedToMs: null, shape: shapeOf(published.definition) },
    // Known only when the file was looked at.
    architectureChanged: false,
  });
});

test('a model may change between files and training: each time another kind of model, and a major version', async () => {
  const trained = await world.publish();
  const { model } = trained;
  const first = await world.register(trained, 'r-1');
  await makeChampion(trained, first);
  const imported = await publish({ name: model });
  const input = await world.begin(imported, 'r-2');
  const plan = await world.activities().beginRun(input);
  expect(plan.champion?.shape).toMatchObject({ trainer: 'lightgbm' });
  expect(await register(imported, 'r-3')).toBe('2.0.0');
  const [newest] = await listVersions(world.db(), { model });
  expect(newest?.changelog).toMatch(/^imported from xgboost 3\.1\.2; .* than 1\.0\.0, or is another kind of model$/);

  await inTransaction(world.db(), (trx) =>
    moveAlias(trx, { model, alias: 'champion', expected: first, to: '2.0.0', by: 'ann', reason: 'test', promotionId: 'p-2' }),
  );
  const [back] = await publishDefinitions(world.db(), { definitions: [trained.definition], by: 'ann' });
  const again = await world.begin({ model, digest: back!.digest }, 'r-4');
  expect(await world.activities().beginRun(again)).toMatchObject({
    champion: { version: '2.0.0', trainedToMs: null },
    architectureChanged: true,
  });
  expect(await world.register({ model, digest: back!.digest }, 'r-5')).toBe('3.0.0');
});

test('a run whose definition says imported cannot be registered without the shape of a file', async () => {
  const published = await publish();
  const { shape: _, ...shapeless } = await world.candidate(await world.begin(published, 'r-1'), ofFile(published.definition));
  await expect(world.activities().registerVersion(shapeless)).rejects.toMatchObject({
    type: 'Conflict',
    message: expect.stringContaining('this run imported none') as string,
  });
  expect(await listVersions(world.db(), { model: published.model })).toEqual([]);
});

test('a refused import is kept with its reason, and says that nothing was measured', async () => {
  const published = await publish();
  const { model } = published;
  await register(published, 'r-1', { refused: 'P95 latency of a single row 80 ms; limit 50 ms' });
  const [notice] = await world.db().selectFrom('outbox').select('notice').where('model', '=', model).execute();
  expect(notice?.notice.text).toBe(
    `Run r-1: P95 latency of a single row 80 ms; limit 50 ms. Measured: no metric. The live model stays. See ./perennial show ${model} 1.0.0`,
  );
});

test('people are asked without figures, and its rollout is planned by limits without labels', async () => {
  const published = await publish();
  const { model, definition } = published;
  const first = await register(published, 'r-1');
  const version = await register(published, 'r-2');
  const approvals = createApprovalActivities({ approvals: createApprovalStore(world.db()), verifyDecision });
  const lifecycle = createLifecycleActivities({ lifecycle: createLifecycleStore(world.db()) });
  for (const [asked, run] of [
    [first, 'r-1'],
    [version, 'r-2'],
  ] as const)
    await approvals.requestApproval({
      model,
      version: asked,
      run,
      risk: 'limited',
      riskReason: 'its accuracy was not measured',
      requestedBy: 'ann',
      plan: rolloutPlans.fast,
      gates: [],
      metrics: [],
      championMetrics: [],
      expiresAfterMs: 60_000,
      firstVersion: asked === first,
    });
  const notices = await world.db().selectFrom('outbox').select('notice').where('model', '=', model).execute();
  const text = notices.find(({ notice }) => notice.kind === 'approvalRequested')?.notice.text;
  expect(text).toContain('Nothing was measured on rows with labels: its first runs and live traffic must tell.\nGates:');

  const planned = await lifecycle.planRollout({ model, version: first, requestedBy: 'ann' });
  expect(planned).toMatchObject({ champion: null, plan: { name: 'direct' }, limits: definition.rollout.limits });
  expect(planned.limits).not.toHaveProperty('quality');
  const { plan, limits, champion } = planned;
  const rollout = { model, version: first, champion, promotionId: `${model}:${first}:1`, by: 'ann', reason: 'test' };
  const store = createRolloutStore(world.db());
  await store.begin({ ...rollout, run: null, plan, limits, clock: { kind: 'live' }, requestedBy: 'ann' });
  await store.promote(rollout);
  await store.end({ ...rollout, outcome: 'promoted', steps: [] });
  expect(await resolveUri(world.db(), `models:/${model}@champion`)).toEqual({ model, version: first });
  await world
    .db()
    .updateTable('versions')
    .set({ approval_status: 'approved' })
    .where('model', '=', model)
    .where('version', '=', version)
    .execute();
  expect(await lifecycle.planRollout({ model, version, requestedBy: 'ann' })).toMatchObject({ champion: first, plan: { name: 'fast' } });
});

test('the columns of data are null only where nothing was said', async () => {
  const published = await world.publish();
  const version = await world.register(published, 'r-1');
  const { rows } = await sql<{ known: boolean }>`
    select dataset_digest is not null and trained_from is not null and trained_to is not null as known
    from versions where model = ${published.model} and version = ${version}`.execute(world.db());
  expect(rows).toEqual([{ known: true }]);
});
