import { mkdtempSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { SupervisedServer } from '../../clients/cli/up/supervised-server.js';
import { isRunning } from '../../tools/processes.mjs';
import { type RunningPostgres, startPostgres, stopPostgres } from '../../tools/servers/postgres.mjs';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A real Postgres, supervised; `current` is the one that runs now. */
async function supervisedPostgres({ pausesMs, adopted = false }: { pausesMs: readonly number[]; adopted?: boolean }) {
  const folder = join(mkdtempSync(join(inject('testServers').folder, 'watched-')), 'postgres');
  const stop = () => stopPostgres({ folder });
  const options = { folder, durable: false };
  let current: RunningPostgres = await startPostgres({ ...options, preferredPort: 0 });
  if (adopted) current = await startPostgres(options);
  const { port } = current;
  const said: string[] = [];
  const lost: Error[] = [];
  const supervised = new SupervisedServer(
    {
      name: 'Postgres',
      server: { ...current, stop },
      again: async () => ({ ...(current = await startPostgres({ ...options, port })), stop }),
      pausesMs,
    },
    { say: (line) => void said.push(line), lost: (error) => void lost.push(error) },
  );
  ends.push(() => supervised.stop());
  return { supervised, said, lost, current: () => current };
}

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  // A connection that is there when the server is killed ends with an error.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

const patient = { timeout: 60_000 };

describe('a server of the stack that dies', () => {
  it('is started again with its data on its port, and each death is told with its cause and the log', async () => {
    const { said, lost, current } = await supervisedPostgres({ pausesMs: [0, 0, 0] });
    const first = current();
    await query(first.url, 'create table kept as select 7 as n');
    await query(first.url, 'checkpoint');
    process.kill(first.pid, 'SIGKILL');
    await expect.poll(() => said, patient).toHaveLength(2);
    expect(said).toEqual([
      `! Postgres was ended by SIGKILL; starting it again on the same data in 0 s (${first.logFile})`,
      '✓ Postgres runs again',
    ]);
    expect(current().pid).not.toBe(first.pid);
    expect(current().url).toBe(first.url);
    expect(await query(first.url, 'select n from kept')).toEqual([{ n: 7 }]);

    process.kill(current().pid, 'SIGINT');
    await expect.poll(() => said, patient).toHaveLength(4);
    expect(said[2]).toContain('Postgres ended with code 0; starting it again');
    expect(lost).toEqual([]);
  });

  it('is noticed too when an earlier start left it running', async () => {
    const { said, current } = await supervisedPostgres({ pausesMs: [0], adopted: true });
    expect(current().adopted).toBe(true);
    process.kill(current().pid, 'SIGKILL');
    await expect.poll(() => said, patient).toHaveLength(2);
    expect(said[0]).toMatch(/^! Postgres (ended|was ended)/);
    expect(said[1]).toBe('✓ Postgres runs again');
  });

  it('is given up after its attempts, with the reason, the log and the way out', async () => {
    const { said, lost, current } = await supervisedPostgres({ pausesMs: [0, 10] });
    const { pid, dataFolder, logFile } = current();
    renameSync(join(dataFolder, 'global', 'pg_control'), join(dataFolder, 'global', 'pg_control.away'));
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => lost, patient).toHaveLength(1);
    expect(said).toHaveLength(2);
    expect(said[1]).toMatch(/^! Postgres did not start: .*pg_control.*; starting it again on the same data in 0\.01 s/);
    expect(lost[0]?.message).toMatch(
      /^Postgres was ended by SIGKILL and was started again 2 times in vain, last: Postgres could not be started: .*pg_control/,
    );
    expect(lost[0]?.message).toContain(`Its log is ${logFile}. The rest was stopped; the data are kept.`);
  });

  it('is not started again when it is stopped', async () => {
    const { supervised, said, current } = await supervisedPostgres({ pausesMs: [0] });
    await supervised.stop();
    expect(isRunning(current().pid)).toBe(false);
    expect(said).toEqual([]);
  });

  it('that waits for its next attempt is stopped without it', async () => {
    const { supervised, said, lost, current } = await supervisedPostgres({ pausesMs: [3_600_000] });
    process.kill(current().pid, 'SIGKILL');
    await expect.poll(() => said, patient).toHaveLength(1);
    await supervised.stop();
    expect(isRunning(current().pid)).toBe(false);
    expect(said).toHaveLength(1);
    expect(lost).toEqual([]);
  });
});
