import { sql } from 'kysely';
import type { DatabaseTransaction } from './database.js';

/**
 * Holds a named lock until the transaction ends: for what depends on rows that do not exist yet, as the next number of a
 * model's versions. Names are hashed; two names that share a hash only wait for each other.
 */
export async function lockName(trx: DatabaseTransaction, name: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(trx);
}
