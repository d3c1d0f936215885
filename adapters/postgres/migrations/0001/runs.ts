import { type Kysely, sql } from 'kysely';

/** Definitions, data sets, runs and what they leave: steps, trials, curves, the step cache. */
export async function createRuns(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table definitions (
      digest text primary key check (digest ~ '^sha256:[0-9a-f]{64}$'),
      model text not null,
      definition jsonb not null,
      published_by text not null,
      published_at timestamptz not null default clock_timestamp(),
      unique (model, digest),
      check (definition ->> 'name' = model)
    );

    create table active_definitions (
      model text primary key,
      digest text not null,
      activated_by text not null,
      activated_at timestamptz not null default clock_timestamp(),
      foreign key (model, digest) references definitions (model, digest)
    );

    create table datasets (
      digest text primary key,
      model text not null,
      dataset jsonb not null,
      rows bigint not null check (rows >= 0),
      from_time timestamptz not null,
      to_time timestamptz not null,
      recorded_at timestamptz not null default clock_timestamp(),
      check (from_time <= to_time)
    );
    create index datasets_model on datasets (model, to_time);

    create table runs (
      model text not null,
      run text not null,
      number bigint not null,
      definition_digest text not null,
      clock jsonb not null,
      as_of timestamptz not null,
      trigger text not null,
      requested_by text not null,
      reason text not null,
      use_cache boolean not null,
      code_revision text not null,
      machine jsonb not null,
      packages jsonb not null,
      seeds jsonb not null,
      data_digest text,
      trainer_manifest jsonb,
      version text,
      outcome text check (outcome in ('promoted', 'rolledBack', 'gateRefused', 'rejected', 'expired', 'superseded', 'skipped', 'failed')),
      outcome_reason text,
      result jsonb,
      started_at timestamptz not null default clock_timestamp(),
      ended_at timestamptz,
      primary key (model, run),
      unique (model, number),
      foreign key (model, definition_digest) references definitions (model, digest),
      check (run !~ '[:/]'),
      constraint runs_end_whole check ((outcome is null) = (ended_at is null) and (outcome is null) = (result is null))
    );
    create index runs_started on runs (model, started_at desc);

    create table run_steps (
      model text not null,
      run text not null,
      step text not null,
      status text not null check (status in ('running', 'done', 'reused', 'waiting', 'refused', 'failed', 'skipped')),
      detail text,
      started_at timestamptz not null,
      ended_at timestamptz,
      primary key (model, run, step),
      foreign key (model, run) references runs (model, run)
    );

    create table trials (
      model text not null,
      run text not null,
      number integer not null check (number >= 0),
      params jsonb not null,
      state text not null check (state in ('running', 'complete', 'failed')),
      value double precision,
      seconds double precision,
      recorded_at timestamptz not null default clock_timestamp(),
      primary key (model, run, number),
      foreign key (model, run) references runs (model, run),
      constraint trials_value_of_complete check (state <> 'complete' or value is not null)
    );

    create table run_metrics (
      model text not null,
      run text not null,
      name text not null,
      step bigint not null,
      value double precision,
      at timestamptz not null,
      primary key (model, run, name, step),
      foreign key (model, run) references runs (model, run)
    );

    create table step_cache (
      key text primary key,
      step text not null,
      model text not null,
      run text not null,
      inputs jsonb not null,
      output jsonb not null,
      stored_at timestamptz not null default clock_timestamp()
    );
  `.execute(db);
}
