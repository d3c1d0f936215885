import { sql, type Kysely } from 'kysely';

/** An imported version has no data here, and perhaps nobody knows what it was trained on. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      'alter table versions alter column dataset_digest drop not null, alter column trained_from drop not null, alter column trained_to drop not null',
    )
    .execute(db);
}

/** Fails while there are imported versions: they cannot be told in the older form. */
export async function down(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      'alter table versions alter column dataset_digest set not null, alter column trained_from set not null, alter column trained_to set not null',
    )
    .execute(db);
}
