import { sql, type Kysely } from 'kysely';

/** Whether an answer came from the response cache. Captures of earlier releases did not. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw('alter table captures add column cached boolean not null default false').execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw('alter table captures drop column cached').execute(db);
}
