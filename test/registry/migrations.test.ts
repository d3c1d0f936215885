import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, type OpenDatabase } from '../../adapters/postgres/database.js';
import { migrate } from '../../adapters/postgres/migrator.js';
import { migrations } from '../../adapters/postgres/migrations/index.js';
import { freshDatabase } from '../support/postgres.js';

let url: string;
const opened: OpenDatabase[] = [];
const open = async (): Promise<OpenDatabase> => {
  const database = await openDatabase({ url, applicationName: 'test', acceptForgetfulServer: true });
  opened.push(database);
  return database;
};

beforeAll(async () => {
  url = await freshDatabase();
});
afterAll(async () => {
  await Promise.all(opened.map((database) => database.close()));
});

test('processes that start at once migrate one database once', async () => {
  const databases = await Promise.all(Array.from({ length: 8 }, open));
  const ran = await Promise.all(databases.map(({ db }) => migrate(db)));
  expect(ran.flat().sort()).toEqual(Object.keys(migrations).sort());
  expect(await migrate(databases[0]!.db)).toEqual([]);
});

test('a server that may forget what it confirmed is refused', async () => {
  // The server of a test run has fsync off, and says so.
  const { db } = await open();
  const { rows } = await sql<{ fsync: string }>`show fsync`.execute(db);
  if (rows[0]?.fsync === 'off')
    await expect(openDatabase({ url, applicationName: 'test' })).rejects.toMatchObject({
      type: 'Unavailable',
      retryable: false,
      message: expect.stringContaining('fsync'),
    });
  const name = new URL(url).pathname.slice(1);
  await sql`alter database ${sql.id(name)} set synchronous_commit = off`.execute(db);
  await expect(openDatabase({ url, applicationName: 'test' })).rejects.toMatchObject({
    type: 'Unavailable',
    retryable: false,
    message: expect.stringContaining('synchronous_commit'),
  });
  await sql`alter database ${sql.id(name)} reset synchronous_commit`.execute(db);
});

test('nobody at the address is Unavailable, and says so', async () => {
  const absent = new URL(url);
  absent.port = '1';
  await expect(openDatabase({ url: absent.href, applicationName: 'test' })).rejects.toMatchObject({
    type: 'Unavailable',
    message: expect.stringContaining('DATABASE_URL'),
  });
});

test('a connection that was ended from outside is Unavailable once, then the pool has another', async () => {
  const { db } = await open();
  const other = await open();
  const failed = sql`select pg_sleep(30)`.execute(db).then(
    () => null,
    (error: unknown) => error,
  );
  for (;;) {
    const { rows } = await sql<{
      pid: number;
    }>`select pid from pg_stat_activity where datname = current_database() and query like '%pg_sleep%' and pid <> pg_backend_pid() and state = 'active'`.execute(
      other.db,
    );
    if (rows.length > 0) {
      await sql`select pg_terminate_backend(${rows[0]!.pid})`.execute(other.db);
      break;
    }
  }
  expect(await failed).toMatchObject({ type: 'Unavailable', retryable: true });
  expect((await sql<{ one: number }>`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }]);
});
