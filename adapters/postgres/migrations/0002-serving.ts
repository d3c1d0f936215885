import { sql, type Kysely } from 'kysely';

/** Routes, gateways, captures, labels, outcomes, clocks, rollouts and investigations. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      'drop table investigations, rollout_steps, rollouts, clocks, outcomes, labels, captures, gateway_acks, gateways, route_changes, routes',
    )
    .execute(db);
  await sql.raw('drop function route_weights_hold(jsonb)').execute(db);
}

const statements = [
  // No variant while nothing is live; else weights in [0, 1] that sum to 1, and no version twice.
  `create function route_weights_hold(variants jsonb) returns boolean immutable language sql as $$
    select count(*) = 0 or (abs(sum((v->>'weight')::float8) - 1) < 1e-9
      and bool_and((v->>'weight')::float8 between 0 and 1)
      and count(distinct v->>'version') = count(*))
    from jsonb_array_elements(variants) v $$`,
  `create table routes (
    model text primary key,
    generation bigint not null check (generation > 0),
    variants jsonb not null check (route_weights_hold(variants)),
    shadow text,
    standby jsonb not null check (jsonb_typeof(standby) = 'array'),
    salt text not null,
    changed_at timestamptz not null default clock_timestamp()
  )`,
  `create table route_changes (
    model text not null,
    generation bigint not null check (generation > 0),
    kind text not null check (kind in ('step', 'promote', 'takeBack', 'rollback')),
    promotion_id text not null,
    step_index integer,
    variants jsonb not null,
    shadow text,
    standby jsonb not null,
    salt text not null,
    from_version text,
    to_version text,
    changed_by text not null,
    reason text not null,
    changed_at timestamptz not null default clock_timestamp(),
    primary key (model, generation),
    constraint route_changes_once unique nulls not distinct (promotion_id, kind, step_index),
    check ((kind = 'step') = (step_index is not null))
  )`,
  `create index route_changes_promoted on route_changes (model, to_version, generation) where kind = 'promote'`,
  `create table gateways (id text primary key, url text not null, lease_until timestamptz not null)`,
  `create table gateway_acks (
    gateway text not null,
    model text not null,
    generation bigint not null,
    refused text,
    acked_at timestamptz not null default clock_timestamp(),
    primary key (gateway, model)
  )`,
  // The answers to one request share its id: the champion's, a failed challenger's, the shadow's.
  `create table captures (
    id text not null,
    model text not null,
    version text not null,
    shadow boolean not null,
    generation bigint not null,
    key text,
    subject text not null,
    event_time_ms bigint not null,
    at_ms bigint not null,
    latency_ms double precision not null check (latency_ms >= 0 and latency_ms < 'Infinity'),
    predicted double precision,
    error text,
    inputs jsonb not null,
    primary key (model, id, version, shadow)
  )`,
  `create index captures_window on captures (model, version, event_time_ms)`,
  `create index captures_subject on captures (model, subject)`,
  // In Postgres NaN is larger than infinity, so this refuses NaN as well.
  `create table labels (
    model text not null,
    subject text not null,
    event_time_ms bigint not null,
    value double precision not null check (value > '-Infinity' and value < 'Infinity'),
    labelled_at timestamptz not null default clock_timestamp(),
    primary key (model, subject)
  )`,
  `create index labels_window on labels (model, event_time_ms)`,
  `create sequence outcome_changes`,
  `create table outcomes (
    model text not null,
    time_ms bigint not null,
    value double precision not null check (value > '-Infinity' and value < 'Infinity'),
    change bigint not null default nextval('outcome_changes'),
    primary key (model, time_ms)
  )`,
  `alter sequence outcome_changes owned by outcomes.change`,
  `create unique index outcomes_change on outcomes (model, change)`,
  `create table clocks (name text primary key, now_ms bigint not null, moved_at timestamptz not null default clock_timestamp())`,
  `create table rollouts (
    promotion_id text primary key,
    model text not null,
    version text not null,
    champion text,
    run text,
    plan jsonb not null,
    limits jsonb not null,
    clock jsonb not null,
    requested_by text not null,
    status text not null check (status in ('running', 'promoted', 'rolledBack', 'superseded', 'aborted', 'failed')),
    reason text,
    result jsonb,
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    foreign key (model, version) references versions (model, version),
    check ((status = 'running') = (ended_at is null))
  )`,
  `create unique index rollouts_one_running on rollouts (model) where status = 'running'`,
  `create index rollouts_version on rollouts (model, version)`,
  `create table rollout_steps (
    promotion_id text not null references rollouts (promotion_id),
    step_index integer not null check (step_index >= 0),
    evidence jsonb not null,
    to_ms bigint not null,
    final boolean not null,
    looked_at timestamptz not null default clock_timestamp(),
    primary key (promotion_id, step_index)
  )`,
  `create table investigations (
    id text primary key,
    number bigint generated always as identity,
    model text not null,
    version text not null,
    promotion_id text,
    opened_by text not null,
    reason text not null,
    opened_at timestamptz not null default clock_timestamp(),
    closed_by text,
    closing_reason text,
    closed_at timestamptz,
    foreign key (model, version) references versions (model, version),
    check ((closed_at is null) = (closed_by is null) and (closed_at is null) = (closing_reason is null))
  )`,
  `create unique index investigations_one_open on investigations (model, version) where closed_at is null`,
];
