import { DuckDBInstance, DuckDBTypeId, type DuckDBConnection, type DuckDBValue } from '@duckdb/node-api';
import { join } from 'node:path';
import type { NumberColumn, TableSession, Tables, WriteColumn } from '../../activities/ports.js';
import { tableError } from './table-error.js';
import { parquet } from './parquet.js';
import { insertColumns } from './insert-columns.js';

/** Limits of each session's database. */
export type DuckDbOptions = {
  /** DuckDB's spelling: `2GB`. */
  readonly memoryLimit: string;
  /** With more than one thread, sums of doubles in a query may differ in their last bit from run to run. */
  readonly threads: number;
};

/**
 * Tables by DuckDB: a fresh in-memory database a session. It sees the session's folders alone, installs and loads no
 * extension, and its settings are locked before the first query, so that a definition's SQL can change none of this.
 */
export function duckDbTables(options: DuckDbOptions = { memoryLimit: '2GB', threads: 1 }): Tables {
  return {
    async session(folders, use) {
      const instance = await DuckDBInstance.create(':memory:', {
        memory_limit: options.memoryLimit,
        // What does not fit into memory goes beside the session's other files, and ends with them.
        temp_directory: folders[0] === undefined ? '' : join(folders[0], 'spilled'),
        threads: String(options.threads),
        autoinstall_known_extensions: 'false',
        autoload_known_extensions: 'false',
        allow_community_extensions: 'false',
      });
      try {
        const connection = await instance.connect();
        try {
          await connection.run(
            `SET allowed_directories = [${folders.map((folder) => text(folder.endsWith('/') ? folder : `${folder}/`)).join(', ')}]`,
          );
          await connection.run('SET enable_external_access = false');
          await connection.run('SET lock_configuration = true');
          return await use(sessionOn(connection));
        } finally {
          connection.closeSync();
        }
      } finally {
        instance.closeSync();
      }
    },
  };
}

function sessionOn(connection: DuckDBConnection): TableSession {
  const guarded = async <T>(sql: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw tableError(sql, error);
    }
  };
  return {
    run: (sql) => guarded(sql, async () => void (await connection.run(sql))),
    rows: (sql) =>
      guarded(sql, async () => {
        const reader = await connection.runAndReadAll(sql);
        return reader.getRowObjects().map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])));
      }),
    numbers: (sql) => guarded(sql, () => readNumbers(connection, sql)),
    describe: (sql) =>
      guarded(sql, async () => {
        const reader = await connection.runAndReadAll(`DESCRIBE ${sql}`);
        return reader.getRowObjects().map((row) => ({ name: String(row['column_name']), type: String(row['column_type']) }));
      }),
    copy: (sql, path) =>
      guarded(sql, async () => {
        const reader = await connection.runAndReadAll(`COPY (${sql}) TO ${text(path)} ${parquet}`);
        return Number(reader.getRows()[0]?.[0] ?? 0);
      }),
    insert: (table, columns: readonly WriteColumn[]) => guarded(`insert into ${table}`, () => insertColumns(connection, table, columns)),
  };
}

/** What is used of DuckDBFloatVector and DuckDBDoubleVector. */
type NumberVector = {
  readonly items: Float32Array | Float64Array;
  readonly validity: { readonly data: BigUint64Array | null; itemValid(index: number): boolean };
};

async function readNumbers(connection: DuckDBConnection, sql: string): Promise<{ rows: number; columns: NumberColumn[] }> {
  const result = await connection.run(sql);
  const columns = Array.from({ length: result.columnCount }, (_, i) => {
    const type = result.columnTypeId(i);
    if (type !== DuckDBTypeId.FLOAT && type !== DuckDBTypeId.DOUBLE) {
      throw new TypeError(`column ${result.columnName(i)} is ${String(result.columnType(i))}: cast it to FLOAT or DOUBLE`);
    }
    const parts: (Float32Array | Float64Array)[] = [];
    return { name: result.columnName(i), wide: type === DuckDBTypeId.DOUBLE, parts };
  });
  let rows = 0;
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) break;
    columns.forEach(({ parts }, i) => {
      const { items, validity } = chunk.getColumnVector(i) as unknown as NumberVector;
      const values = items.slice(0, chunk.rowCount);
      // Without a mask nothing is null: so for most columns, and asking value by value would cost more than the query. (`data` is
      // private there; were it gone, every value would be asked.)
      if (validity.data !== null) for (let row = 0; row < values.length; row++) if (!validity.itemValid(row)) values[row] = NaN;
      parts.push(values);
    });
    rows += chunk.rowCount;
  }
  return {
    rows,
    columns: columns.map(({ name, wide, parts }) => {
      const values = wide ? new Float64Array(rows) : new Float32Array(rows);
      let offset = 0;
      for (const part of parts) {
        values.set(part, offset);
        offset += part.length;
      }
      return { name, values };
    }),
  };
}

function plain(value: DuckDBValue): string | number | boolean | null {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  return String(value);
}

/** A text literal. */
function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
