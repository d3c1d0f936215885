import { sql, type Kysely } from 'kysely';

/** Latency sketches of longer spans than a minute, and what finds captures, labels and sketches by their age. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw('delete from latency_sketches where span_minutes > 1').execute(db);
  await sql.raw('drop index captures_age, labels_age, latency_sketches_age, latency_sketches_merged').execute(db);
  await sql.raw('alter table latency_sketches drop column span_minutes').execute(db);
  await sql.raw('create index latency_sketches_opened on latency_sketches (opened_ms)').execute(db);
}

const statements = [
  // An index on captures of years takes longer than a statement of ours may.
  'set local statement_timeout = 0',
  'alter table latency_sketches add column span_minutes integer not null default 1 check (span_minutes in (1, 60, 1440))',
  'drop index latency_sketches_opened',
  'create index latency_sketches_age on latency_sketches (span_minutes, opened_ms)',
  'create index latency_sketches_merged on latency_sketches (model, version, shadow, event_minute) where span_minutes > 1',
  'create index captures_age on captures (model, at_ms)',
  'create index labels_age on labels (model, labelled_at)',
];
