import { Migrator } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, type OpenDatabase } from '../../adapters/postgres/database.js';
import { migrate } from '../../adapters/postgres/migrator.js';
import { migrations } from '../../adapters/postgres/migrations/index.js';
import { createVersionStore } from '../../adapters/postgres/version-store.js';
import { listVersions } from '../../adapters/postgres/version-queries.js';
import { freshDatabase } from '../support/postgres.js';
import { addVersion } from '../support/seed-version.js';

let opened: OpenDatabase;
beforeAll(async () => {
  opened = await openDatabase({ url: await freshDatabase(), applicationName: 'test', acceptForgetfulServer: true });
});
afterAll(() => opened?.close());

const model = 'of-the-release-before';
const before = '0006-upkeep';
const migrator = () => new Migrator({ db: opened.db, provider: { getMigrations: () => Promise.resolve({ ...migrations }) } });
const unsaid = (version: string) =>
  opened.db
    .updateTable('versions')
    .set({ dataset_digest: null, trained_from: null, trained_to: null })
    .where('model', '=', model)
    .where('version', '=', version)
    .execute();

test('a registry of the release before keeps its versions, and takes imported ones beside them', async () => {
  const { error } = await migrator().migrateTo(before);
  expect(error).toBeUndefined();
  await addVersion(opened.db, { model, version: '1.0.0' });
  await addVersion(opened.db, { model, version: '1.0.1' });
  await expect(unsaid('1.0.1')).rejects.toThrow(/refused a row \(table versions\)/);
  const kept = await listVersions(opened.db, { model });

  expect(await migrate(opened.db)).toContain('0007-imported-versions');
  expect(await listVersions(opened.db, { model })).toEqual(kept);
  await unsaid('1.0.1');
  expect(await listVersions(opened.db, { model })).toMatchObject([
    { version: '1.0.1', trainedFromMs: null, trainedToMs: null },
    { version: '1.0.0', trainedToMs: Date.UTC(2011, 9, 1) },
  ]);
  expect(await createVersionStore(opened.db).champion(model)).toBeNull();
});

test('it cannot be taken back while there are imported versions, and can before there are', async () => {
  const refused = await migrator().migrateTo(before);
  expect(String(refused.error)).toMatch(/null values|refused a row/);
  await opened.db
    .updateTable('versions')
    .set({ trained_from: new Date(0), trained_to: new Date(0) })
    .execute();
  const [{ dataset_digest: digest } = { dataset_digest: null }] = await opened.db
    .selectFrom('versions')
    .select('dataset_digest')
    .where('version', '=', '1.0.0')
    .execute();
  await opened.db.updateTable('versions').set({ dataset_digest: digest }).execute();
  expect((await migrator().migrateTo(before)).error).toBeUndefined();
  expect(await migrate(opened.db)).toContain('0007-imported-versions');
});
