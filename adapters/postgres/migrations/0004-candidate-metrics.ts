import { sql, type Kysely } from 'kysely';

/** A version's figures on the rows of its champion, beside the champion's. Versions of earlier releases have none. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(`alter table versions add column candidate_metrics jsonb not null default '[]'`).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw('alter table versions drop column candidate_metrics').execute(db);
}
