import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import pg from 'pg';
import { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectTemporal } from '../../tools/servers/temporal.mjs';
import { freshDatabase } from '../support/postgres.js';
import { freshNamespace, timeSkipping } from '../support/temporal.js';
import { freshWorkspace } from '../support/workspace.js';

describe('the servers of a test run', () => {
  let database: string;
  beforeAll(async () => {
    database = await freshDatabase();
  });

  it('give each caller an empty database of its own', async () => {
    const other = await freshDatabase().catch((error: unknown) => error);
    expect(other).not.toBe(database);
    const client = new pg.Client({ connectionString: database });
    await client.connect();
    const { rows } = await client.query("select count(*)::int as n from pg_tables where schemaname = 'public'");
    await client.end();
    expect(rows).toEqual([{ n: 0 }]);
  });

  it('give each caller a namespace that takes our search attributes', async () => {
    const { address, namespace, executable } = await freshNamespace();
    const connection = await connectTemporal(address);
    const client = new Client({ connection, namespace });
    await client.workflow.start('anything', {
      taskQueue: 'nobody',
      workflowId: 'model:test',
      searchAttributes: { Model: ['demand'], ModelVersion: ['1.0.0'], Stage: ['training'], Trigger: ['person'] },
    });
    await connection.close();
    const shown = execFileSync(executable, ['workflow', 'describe', '--address', address, '--namespace', namespace, '-w', 'model:test']);
    expect(shown.toString()).toContain('demand');
  });

  it('have a home for each test file', () => {
    const { home, environment } = freshWorkspace();
    expect(existsSync(home)).toBe(true);
    expect(environment['PERENNIAL_HOME']).toBe(home);
  });
});

describe('the time-skipping server', () => {
  let environment: Awaited<ReturnType<typeof timeSkipping>>;
  beforeAll(async () => {
    environment = await timeSkipping();
  }, 60_000);
  afterAll(() => environment?.teardown());

  it('sleeps six hours and keeps the search attributes', async () => {
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue: 'sleepers',
      workflowsPath: new URL('./fixtures/sleeper.workflow.ts', import.meta.url).pathname,
    });
    const slept = await worker.runUntil(environment.client.workflow.execute('sleeper', { taskQueue: 'sleepers', workflowId: 'sleeper' }));
    expect(slept).toBeGreaterThanOrEqual(6 * 3_600_000);
  }, 60_000);
});
