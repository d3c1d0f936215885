import { Migrator, type Kysely, sql } from 'kysely';
import { PerennialError } from '../../domain/errors.js';
import type { Database } from './database.js';
import { migrations } from './migrations/index.js';

/** Any number that nobody else uses as an advisory lock in this database. */
const lockKey = 7_301_944_228;

/**
 * Brings the schema up to date; answers the names of the migrations that this call ran. Any number of processes may
 * call it at once: one works, the others wait and find it done. A migration is applied whole or not at all.
 */
export async function migrate(db: Kysely<Database>): Promise<readonly string[]> {
  return await db.connection().execute(async (connection) => {
    // The migrator takes a lock of its own, but only after it has made its tables, and making them twice at once fails.
    await sql`set lock_timeout = '120s'; set statement_timeout = '120s'`.execute(connection);
    await sql`select pg_advisory_lock(${sql.lit(lockKey)})`.execute(connection);
    try {
      const migrator = new Migrator({ db: connection, provider: { getMigrations: () => Promise.resolve({ ...migrations }) } });
      const { error, results = [] } = await migrator.migrateToLatest();
      if (error instanceof PerennialError && error.retryable) throw error;
      if (error !== undefined) {
        const failed = results.find((result) => result.status === 'Error')?.migrationName ?? 'the set-up of the migrator';
        throw new PerennialError(
          'Unavailable',
          `Migration ${failed} failed and was taken back: ${error instanceof Error ? error.message : JSON.stringify(error)}`,
          {
            retryable: false,
            cause: error,
          },
        );
      }
      return results.filter((result) => result.status === 'Success').map((result) => result.migrationName);
    } finally {
      await sql`select pg_advisory_unlock(${sql.lit(lockKey)}); reset lock_timeout; reset statement_timeout`.execute(connection);
    }
  });
}
