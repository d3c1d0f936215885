import { sql, type Kysely } from 'kysely';

/** Latencies of all gateways by version and minute of event time, in mergeable bins. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql.raw('drop table latency_sketches').execute(db);
}

const statements = [
  // The row of the current minute is written each second: room in its page keeps the indexes out of that.
  `create table latency_sketches (
    model text not null,
    version text not null,
    shadow boolean not null,
    event_minute bigint not null,
    gateway text not null,
    opened_ms bigint not null,
    first_ms bigint not null,
    last_ms bigint not null check (last_ms >= first_ms),
    requests bigint not null check (requests > 0),
    errors bigint not null check (errors between 0 and requests),
    bins integer[] not null,
    counts bigint[] not null check (cardinality(counts) = cardinality(bins)),
    primary key (model, version, shadow, event_minute, gateway, opened_ms)
  ) with (fillfactor = 70)`,
  `create index latency_sketches_opened on latency_sketches (opened_ms)`,
];
