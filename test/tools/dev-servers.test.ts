import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import pg from 'pg';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { isRunning } from '../../tools/processes.mjs';
import { removePostgres, startPostgres, stopPostgres } from '../../tools/servers/postgres.mjs';
import { connectTemporal, startTemporal, stopTemporal } from '../../tools/servers/temporal.mjs';
import { testPlaces } from '../support/servers.js';

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

async function untilGone(pid: number): Promise<void> {
  while (isRunning(pid)) await delay(20);
}

describe('the embedded Postgres', () => {
  const folder = join(mkdtempSync(join(inject('testServers').folder, 'own-postgres-')), 'postgres');
  const options = { folder, preferredPort: 0 };
  afterAll(() => removePostgres(options));

  it('is adopted by the next start, restarted after a kill -9, and keeps its data', async () => {
    const first = await startPostgres(options);
    expect(first.adopted).toBe(false);
    await query(first.url, 'create table kept (n int)');
    await query(first.url, 'insert into kept values (7)');

    const second = await startPostgres(options);
    expect(second).toMatchObject({ adopted: true, pid: first.pid, url: first.url });

    process.kill(first.pid, 'SIGKILL');
    await untilGone(first.pid);
    const third = await startPostgres(options);
    expect(third.adopted).toBe(false);
    expect(await query(third.url, 'select n from kept')).toEqual([{ n: 7 }]);

    await third.stop();
    expect(isRunning(third.pid)).toBe(false);
    await stopPostgres(options);
  });

  it('wants a password, and forces commits to the disk', async () => {
    const { url } = await startPostgres(options);
    const open = new URL(url);
    open.password = 'wrong';
    await expect(query(open.href, 'select 1')).rejects.toThrow(/password authentication failed/);
    expect(await query(url, 'show fsync')).toEqual([{ fsync: 'on' }]);
    expect(await query(url, 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
  });
});

describe('the Temporal dev server', () => {
  const folder = mkdtempSync(join(inject('testServers').folder, 'own-temporal-'));
  const options = { folder, executable: testPlaces().temporal, preferredPort: 0, preferredUiPort: 0 };
  afterAll(() => stopTemporal(options));

  it('is adopted by the next start, restarted after a kill -9, and keeps its workflows for 90 days', async () => {
    const first = await startTemporal(options);
    const before = await connectTemporal(first.address);
    const { config } = await before.workflowService.describeNamespace({ namespace: 'default' });
    expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(90 * 24 * 3600);
    await new Client({ connection: before }).workflow.start('anything', {
      taskQueue: 'nobody',
      workflowId: 'model:kept',
      searchAttributes: { Stage: ['training'] },
    });
    await before.close();
    expect(await startTemporal(options)).toMatchObject({ adopted: true, pid: first.pid, address: first.address });

    process.kill(first.pid, 'SIGKILL');
    await untilGone(first.pid);
    const second = await startTemporal(options);
    expect(second.adopted).toBe(false);
    const after = await connectTemporal(second.address);
    const { status } = await new Client({ connection: after }).workflow.getHandle('model:kept').describe();
    expect(status.name).toBe('RUNNING');
    await after.close();
    await second.stop();
    expect(isRunning(second.pid)).toBe(false);
  }, 60_000);

  it('says in its own words why it cannot start', async () => {
    const start = startTemporal({ ...options, folder: mkdtempSync(join(folder, 'broken-')), executable: '/nowhere/temporal' });
    await expect(start).rejects.toThrow(/Temporal dev server could not be started: .*\/nowhere\/temporal.*TEMPORAL_ADDRESS/);
  });
});
