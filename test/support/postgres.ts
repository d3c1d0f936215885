import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { isRunning } from '../../tools/processes.mjs';
import { testPostgres } from './servers.js';

/**
 * A new, empty database on the Postgres of this test run; it can be asked for anywhere in a test
 * file. It is dropped some time after that file has ended.
 * @returns its connection string
 */
export async function freshDatabase(): Promise<string> {
  const { url } = await testPostgres();
  const name = `test_${process.pid}_${randomBytes(6).toString('hex')}`;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`create database ${name}`);
    await dropAbandoned(client);
  } finally {
    await client.end();
  }
  const own = new URL(url);
  own.pathname = `/${name}`;
  return own.href;
}

/** Each test file has a process of its own, so a database whose process is gone is nobody's. */
async function dropAbandoned(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ datname: string }>("select datname from pg_database where datname like 'test\\_%'");
  for (const { datname } of rows) {
    if (isRunning(Number(datname.split('_')[1]))) continue;
    await client.query(`drop database if exists ${datname} with (force)`);
  }
}
