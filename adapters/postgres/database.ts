import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient, type Transaction } from 'kysely';
import pg from 'pg';
import { PerennialError } from '../../domain/errors.js';
import { isContention, isLostConnection, postgresFailure } from './failures.js';
import type { Database } from './schema.js';

export type { Database } from './schema.js';
/** A transaction over all tables. What takes one takes part in the caller's transaction. */
export type DatabaseTransaction = Transaction<Database>;

export type DatabaseOptions = {
  /** `postgres://…`; the only thing that has no default. */
  readonly url: string;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  readonly poolSize?: number;
  /** Longest that one statement may run. */
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** Only for a server whose data may be lost, as that of a test run: open it although it runs with `fsync` off. */
  readonly acceptForgetfulServer?: boolean;
  /** For what can work without Postgres for a while (a gateway): open it although nothing answers now. */
  readonly mayBeAway?: boolean;
};

export type OpenDatabase = { readonly db: Kysely<Database>; close(): Promise<void> };

/** 64-bit integers come as numbers: ours are counters and sizes far below 2^53. */
const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === 20 ? Number : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

/** The driver's client with typed failures; one whose connection broke does not go back into the pool. */
function typedClient(client: pg.PoolClient): PostgresPoolClient {
  let broken: Error | undefined;
  const onError = (error: Error) => {
    broken = error;
  };
  // Without a listener a connection that breaks between two statements of a transaction would end the process.
  client.on('error', onError);
  const query = async (statement: string, parameters: readonly unknown[]) => {
    try {
      return await client.query(statement, parameters as unknown[]);
    } catch (error) {
      const failure = postgresFailure(error);
      if (isLostConnection(error)) broken ??= error as Error;
      throw failure;
    }
  };
  return {
    query: query as unknown as PostgresPoolClient['query'],
    release: () => {
      client.off('error', onError);
      if (broken !== undefined) client.on('error', () => undefined);
      client.release(broken);
    },
  };
}

/**
 * Opens a pool and checks that the server keeps what it confirms: with `fsync` or `synchronous_commit` off an approval
 * or a promotion could be forgotten after it was answered, so such a server is refused.
 * `Unavailable` when nothing answers at the address.
 */
export async function openDatabase(options: DatabaseOptions): Promise<OpenDatabase> {
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: options.applicationName,
    max: options.poolSize ?? 10,
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    lock_timeout: options.lockTimeoutMs ?? 15_000,
    idle_in_transaction_session_timeout: 60_000,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
    options: '-c timezone=UTC',
    keepAlive: true,
    types,
  });
  // An idle connection that breaks is dropped by the pool; the next query opens another or says `Unavailable`.
  pool.on('error', () => undefined);
  const typedPool: PostgresPool = {
    connect: async () => {
      try {
        return typedClient(await pool.connect());
      } catch (error) {
        throw postgresFailure(error);
      }
    },
    end: () => pool.end(),
  };
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: typedPool }) });
  try {
    if (options.acceptForgetfulServer === true) (await typedPool.connect()).release();
    else await refuseForgetfulServer(typedPool);
  } catch (error) {
    if (options.mayBeAway === true && error instanceof PerennialError && error.retryable) return { db, close: () => db.destroy() };
    await db.destroy();
    await pool.end().catch(() => undefined);
    throw error;
  }
  return { db, close: () => db.destroy() };
}

async function refuseForgetfulServer(pool: PostgresPool): Promise<void> {
  const client = await pool.connect();
  try {
    const { rows } = await client.query<{ fsync: string; commit: string }>(
      "select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit",
      [],
    );
    const off = [rows[0]?.fsync === 'off' ? 'fsync' : '', rows[0]?.commit === 'off' ? 'synchronous_commit' : ''].filter(Boolean);
    if (off.length > 0) {
      throw new PerennialError(
        'Unavailable',
        `Postgres runs with ${off.join(' and ')} off: it may forget what it confirmed. Turn ${off.length > 1 ? 'them' : 'it'} on (for this role and database too) and start again.`,
        { retryable: false, details: { off } },
      );
    }
  } finally {
    client.release();
  }
}

/**
 * Runs `work` in one transaction, and again (up to 5 times) when Postgres stopped it for a deadlock or a serialisation
 * failure. `work` must have no effect outside the transaction.
 */
export async function inTransaction<T>(db: Kysely<Database>, work: (trx: DatabaseTransaction) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await db.transaction().execute(work);
    } catch (error) {
      if (attempt >= 5 || !isContention(error)) throw error;
    }
  }
}
