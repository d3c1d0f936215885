import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, inject } from 'vitest';
import type { WriteColumn } from '../../activities/ports.js';
import { duckDbTables } from '../../adapters/duckdb/session.js';

const tables = duckDbTables();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(inject('testServers').folder, 'tables-'));
});

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const session = <T>(use: Parameters<typeof tables.session<T>>[1]) => tables.session([folder], use);

describe('tables', () => {
  it('write typed arrays as Parquet and read the same values back, NaN and all', async () => {
    const rows = 5_000;
    const columns: WriteColumn[] = [
      { kind: 'timestamp', name: 'the time', values: Float64Array.from({ length: rows }, (_, i) => Date.UTC(2011, 0, 1) + i * 3_600_000) },
      { kind: 'float', name: 'f"1', values: Float32Array.from({ length: rows }, (_, i) => (i % 7 === 0 ? NaN : i / 3)) },
      { kind: 'double', name: 'target', values: Float64Array.from({ length: rows }, (_, i) => i / 7) },
    ];
    const path = join(folder, 'a.parquet');
    await session(async (s) => {
      await s.insert('made "here"', columns);
      expect(await s.copy('SELECT * FROM "made ""here"""', path)).toBe(rows);
    });
    const read = await session((s) =>
      s.numbers(`SELECT CAST(epoch_ms("the time") AS DOUBLE), "f""1", target FROM read_parquet('${path}')`),
    );
    expect(read.rows).toBe(rows);
    expect(read.columns.map(({ values }) => values)).toEqual(columns.map(({ values }) => values));
    expect(await session((s) => s.describe(`SELECT * FROM read_parquet('${path}')`))).toEqual([
      { name: 'the time', type: 'TIMESTAMP' },
      { name: 'f"1', type: 'FLOAT' },
      { name: 'target', type: 'DOUBLE' },
    ]);
  });

  it('give the same bytes for the same rows', async () => {
    const values = Float32Array.from({ length: 300_000 }, (_, i) => Math.sin(i));
    const paths = ['a', 'b'].map((name) => join(folder, `${name}.parquet`));
    for (const path of paths) {
      await session(async (s) => {
        await s.insert('made', [{ kind: 'float', name: 'x', values }]);
        await s.copy('SELECT * FROM made', path);
        expect(await s.copy(`SELECT * FROM read_parquet('${path}') WHERE x > 0 ORDER BY x`, `${path}.sorted`)).toBeGreaterThan(100_000);
      });
    }
    expect(sha256(paths[0]!)).toBe(sha256(paths[1]!));
    expect(sha256(`${paths[0]!}.sorted`)).toBe(sha256(`${paths[1]!}.sorted`));
  });

  it('read null as NaN, and refuse columns that are no numbers', async () => {
    const { columns } = await session((s) => s.numbers('SELECT CAST(x AS DOUBLE) AS x FROM (VALUES (1), (NULL)) t(x)'));
    expect([...columns[0]!.values]).toEqual([1, NaN]);
    await expect(session((s) => s.numbers("SELECT 'a' AS x"))).rejects.toThrow(/column x is VARCHAR: cast it/);
  });

  it('see their own folders alone, whatever a query says', async () => {
    const elsewhere = mkdtempSync(join(inject('testServers').folder, 'elsewhere-'));
    mkdirSync(join(folder, 'inner'));
    writeFileSync(join(folder, 'inner', 'a.csv'), 'x\n1\n');
    writeFileSync(join(elsewhere, 'b.csv'), 'x\n1\n');
    expect(await session((s) => s.rows(`SELECT * FROM read_csv('${folder}/inner/a.csv')`))).toEqual([{ x: 1 }]);
    for (const sql of [
      `SELECT * FROM read_csv('${elsewhere}/b.csv')`,
      `SELECT * FROM read_csv('${folder}/../${elsewhere.split('/').at(-1)}/b.csv')`,
      `COPY (SELECT 1) TO '${elsewhere}/c.csv'`,
      `ATTACH '${elsewhere}/d.db'`,
      'SET enable_external_access = true',
      `SET allowed_directories = ['/']`,
      'INSTALL httpfs',
      'LOAD httpfs',
    ]) {
      await expect(
        session((s) => s.run(sql)),
        sql,
      ).rejects.toMatchObject({ name: 'PerennialError' });
    }
  });

  it('say what is wrong with a query, and keep nothing between sessions', async () => {
    await session((s) => s.run('CREATE TABLE kept AS SELECT 1'));
    await expect(session((s) => s.run('SELECT * FROM kept'))).rejects.toMatchObject({ type: 'DataInvalid', retryable: false });
    await expect(session((s) => s.rows("SELECT CAST('warm' AS INTEGER)"))).rejects.toThrow(/Could not convert string 'warm'/);
    await expect(
      duckDbTables({ memoryLimit: '10MB', threads: 1 }).session([folder], (s) =>
        s.rows('SELECT list(i ORDER BY -i) FROM range(3000000) t(i)'),
      ),
    ).rejects.toMatchObject({ type: 'Unavailable', retryable: true });
  });
});
