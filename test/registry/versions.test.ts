import { expect, test } from 'vitest';
import { listVersions, showVersion } from '../../adapters/postgres/version-queries.js';
import { listModels } from '../../adapters/postgres/registry-queries.js';
import { showRun } from '../../adapters/postgres/run-queries.js';
import { publishDefinitions } from '../../adapters/postgres/definitions.js';
import { inTransaction } from '../../adapters/postgres/database.js';
import { moveStage } from '../../adapters/postgres/stages.js';
import { modelCard } from '../../domain/card.js';
import { environment, registryWorld, resultOf } from './world.js';

const world = registryWorld();

test('the first version is 1.0.0, newer data a patch, a changed feature or code a minor, a changed input a major one', async () => {
  const first = await world.publish();
  const { model, definition } = first;
  expect(await world.register(first, 'r-1')).toBe('1.0.0');
  expect(await world.register(first, 'r-2')).toBe('1.0.1');

  const publish = async (change: object) => {
    const [published] = await publishDefinitions(world.db(), { definitions: [{ ...definition, ...change }], by: 'ann' });
    return { model, digest: published!.digest };
  };
  expect(await world.register(await publish({ features: definition.features.slice(1) }), 'r-3')).toBe('1.1.0');
  const input = await world.begin(first, 'r-4');
  const other = world.activities({ ...environment, recipeRevision: 'sha256:recipe-2' });
  // The recipe of r-3 had one feature less, so this differs in both.
  expect(await other.registerVersion(await world.candidate(input))).toEqual({ version: '1.2.0' });
  const request = definition.serving.request.map((field, index) => (index === 1 ? { ...field, description: 'in another unit' } : field));
  expect(await world.register(await publish({ serving: { ...definition.serving, request } }), 'r-5')).toBe('2.0.0');
  // Gates make no other model.
  const gates = await publish({ serving: { ...definition.serving, request }, gates: definition.gates.slice(0, 1) });
  expect(await world.register(gates, 'r-6')).toBe('2.0.1');
});

test('a version keeps its card under its own number, and its figures beside the champion on the same rows', async () => {
  const published = await world.publish();
  const { model, definition } = published;
  await world.register(published, 'r-1');
  const run = await world.begin(published, 'r-2');
  const mape = (value: number, count: number) => ({ name: 'mape', kind: 'mape' as const, value, count, excluded: 0 });
  const candidate = await world.candidate(run, { championMetrics: [mape(0.14, 440)], candidateMetrics: [mape(0.136, 440)] });
  const card = modelCard({ definition, metrics: [], evaluated: { rows: 960, fromMs: 0, toMs: 1 }, framework: 'x', trainingRows: null });
  const { digest, bytes } = await world.objects().put(Buffer.from(card), 'text/markdown');
  const files = candidate.package.files.map((file) => (file.path === 'card.md' ? { path: 'card.md', digest, bytes } : file));
  const { version } = await world.activities().registerVersion({ ...candidate, package: { ...candidate.package, files } });
  const shown = await showVersion(world.db(), { model, version });
  expect(shown.card).toContain(`| Version | ${version} |`);
  expect(shown).toMatchObject({ championMetrics: [mape(0.14, 440)], candidateMetrics: [mape(0.136, 440)] });
});

test('registering a run twice gives one version; runs that register at once get numbers of their own', async () => {
  const published = await world.publish();
  const input = await world.candidate(await world.begin(published, 'r-1'));
  const twice = await Promise.all(Array.from({ length: 5 }, () => world.activities().registerVersion(input)));
  expect(new Set(twice.map(({ version }) => version))).toEqual(new Set(['1.0.0']));
  const others = await Promise.all(Array.from({ length: 10 }, (_, index) => world.register(published, `p-${index}`)));
  expect(new Set(others).size).toBe(10);
  expect((await listVersions(world.db(), { model: published.model })).map(({ version }) => version)).toEqual([
    ...Array.from({ length: 10 }, (_, index) => `1.0.${10 - index}`),
    '1.0.0',
  ]);
});

test('a row never points at something absent, and nothing is registered as fit without a signature', async () => {
  const published = await world.publish();
  const whole = await world.candidate(await world.begin(published, 'r-1'));
  const absent = `sha256:${'0'.repeat(64)}`;
  const lost = { ...whole, package: { ...whole.package, files: [...whole.package.files, { path: 'lost.bin', digest: absent, bytes: 1 }] } };
  await expect(world.activities().registerVersion(lost)).rejects.toMatchObject({
    type: 'ArtifactRejected',
    message: expect.stringContaining('lost.bin'),
  });
  await expect(world.activities().registerVersion({ ...whole, evaluation: { ...whole.evaluation, digest: absent } })).rejects.toMatchObject(
    { type: 'ArtifactRejected' },
  );
  const { signature: _, ...unsigned } = whole.package;
  await expect(world.activities().registerVersion({ ...whole, package: unsigned })).rejects.toMatchObject({
    message: expect.stringContaining('not signed'),
  });
  expect(await listVersions(world.db(), { model: published.model })).toEqual([]);
});

test('a refused candidate is kept with its reason, tells people, and can neither be staged nor sent live', async () => {
  const published = await world.publish();
  const { model } = published;
  const version = await world.register(published, 'r-1', { refused: 'MAPE 16.1% over 612 hours; limit 15%' });
  const shown = await showVersion(world.db(), { model, version });
  expect(shown).toMatchObject({
    stage: 'None',
    approval: 'rejected',
    refused: 'MAPE 16.1% over 612 hours; limit 15%',
    card: '# Card of r-1',
  });
  expect(shown.audit[0]).toMatchObject({ action: 'version.register', outcome: 'refused', by: 'ann' });
  const notices = await world.db().selectFrom('outbox').select('notice').where('model', '=', model).execute();
  expect(notices.map(({ notice }) => notice.kind)).toEqual(['gateRefused']);
  await expect(inTransaction(world.db(), (trx) => moveStage(trx, { model, version, to: 'Staging' }))).rejects.toMatchObject({
    type: 'NotApproved',
  });
});

test('stages move only along the legal way, also past the rules', async () => {
  const published = await world.publish();
  const { model } = published;
  const versions = [await world.register(published, 'r-1'), await world.register(published, 'r-2')] as const;
  await world.db().updateTable('versions').set({ approval_status: 'approved' }).where('model', '=', model).execute();
  const move = (version: string, to: 'None' | 'Staging' | 'Production' | 'Archived') =>
    inTransaction(world.db(), (trx) => moveStage(trx, { model, version, to }));
  await expect(move(versions[0], 'Production')).rejects.toMatchObject({ type: 'Conflict' });
  for (const version of versions) await move(version, 'Staging');
  expect(await move(versions[0], 'Production')).toEqual({ from: 'Staging' });
  expect(await move(versions[0], 'Production')).toEqual({ from: 'Production' });
  await expect(move(versions[1], 'Production')).rejects.toMatchObject({ type: 'Conflict', message: expect.stringContaining('archive') });
  const past = world.db().updateTable('versions').where('model', '=', model).where('version', '=', versions[0]);
  await expect(past.set({ stage: 'None' }).execute()).rejects.toMatchObject({ type: 'Conflict' });
  await expect(past.set({ approval_status: 'rejected' }).execute()).rejects.toMatchObject({ type: 'Conflict' });
  await expect(past.set({ package_digest: 'sha256:other' }).execute()).rejects.toMatchObject({ type: 'Conflict' });
  await expect(world.db().deleteFrom('versions').where('model', '=', model).execute()).rejects.toMatchObject({ type: 'Conflict' });
});

test('a run keeps its record, and every activity may be called twice', async () => {
  const published = await world.publish();
  const { model } = published;
  const activities = world.activities();
  const input = await world.begin(published, '2011-10-01t00-7');
  const plan = await activities.beginRun(input);
  expect(plan).toMatchObject({
    champion: null,
    architectureChanged: false,
    published: { digest: published.digest },
    policy: { version: 1 },
  });
  const started = { step: 'extract', status: 'running', startedAtMs: 1_000 } as const;
  const ended = { ...started, status: 'done', endedAtMs: 2_000, detail: '4,800 rows' } as const;
  // The note of the start arrives late.
  for (const progress of [started, ended, started, ended]) await activities.recordStep({ model, run: input.run, progress });
  const trial = { number: 0, params: { num_leaves: 31 }, state: 'complete', value: 0.14, seconds: 1.5 } as const;
  for (const one of [
    { ...trial, state: 'running', value: null } as const,
    trial,
    trial,
    { ...trial, state: 'running', value: null } as const,
  ]) {
    await activities.recordTrial({ model, run: input.run, trial: one });
  }
  const { version } = await activities.registerVersion(await world.candidate(input));
  const result = resultOf(input, { version });
  await activities.endRun(result);
  await activities.endRun({ ...result, outcome: 'failed', reason: 'a second end' });
  const shown = await showRun(world.db(), { model, run: input.run });
  expect(shown).toMatchObject({
    outcome: 'promoted',
    version,
    codeRevision: 'abc1234',
    seeds: { trainer: expect.any(Number) },
    trainerManifest: { packages: { lightgbm: '4.7.0' } },
    result: { seconds: 12.5 },
  });
  expect(shown.steps).toEqual([ended]);
  expect(shown.trials).toEqual([trial]);
  expect(shown.dataDigest).toMatch(/^sha256:/);
  const [listed] = (await listModels(world.db())).filter((one) => one.model === model);
  expect(listed).toMatchObject({ lastRun: { run: input.run, outcome: 'promoted' }, definitionDigest: published.digest });
  await expect(showRun(world.db(), { model, run: 'none' })).rejects.toMatchObject({ type: 'Conflict' });
});

test('a run that fails tells people, also when it failed before it had a row', async () => {
  const published = await world.publish();
  const { model } = published;
  const input = await world.begin(published, 'r-1');
  const failed = resultOf(input, { outcome: 'failed', reason: 'TrainerFailed: exit 1' });
  for (const result of [failed, failed, resultOf({ model, run: 'never-began' }, { outcome: 'failed', reason: 'no definition' })])
    await world.activities().endRun(result);
  const notices = await world.db().selectFrom('outbox').select('key').where('model', '=', model).orderBy('key').execute();
  expect(notices.map(({ key }) => key)).toEqual([`runFailed:${model}:never-began`, `runFailed:${model}:r-1`]);
});

test('a definition that is not published is named, and publishing twice changes nothing', async () => {
  const published = await world.publish();
  await expect(world.activities().activeDefinition({ model: 'nobody' })).rejects.toMatchObject({
    type: 'Conflict',
    message: expect.stringContaining('./perennial apply'),
  });
  expect(await publishDefinitions(world.db(), { definitions: [published.definition], by: 'bob' })).toMatchObject([
    { changed: false, digest: published.digest },
  ]);
  const changed = { ...published.definition, description: 'Other words.' };
  const [next] = await publishDefinitions(world.db(), { definitions: [changed], by: 'bob' });
  expect(next).toMatchObject({ changed: true, previous: published.digest });
  expect(await world.activities().activeDefinition({ model: published.model })).toEqual({ digest: next!.digest, definition: changed });
  await expect(
    publishDefinitions(world.db(), { definitions: [{ ...changed, task: 'guessing' } as never], by: 'bob' }),
  ).rejects.toMatchObject({ type: 'DataInvalid' });
});
