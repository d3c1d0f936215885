import { type Kysely, sql } from 'kysely';

/** Approvals, policy, people, the audit, the outbox, flags of lifecycles. */
export async function createGovernance(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table approvals (
      model text not null,
      version text not null,
      run text not null,
      risk text not null check (risk in ('low', 'limited', 'high')),
      risk_reason text not null,
      requested_by text not null,
      approvers jsonb not null,
      evidence jsonb not null,
      evidence_digest text not null,
      policy_version integer not null,
      status text not null check (status in ('pending', 'approved', 'rejected', 'expired', 'superseded')),
      settled_reason text,
      expires_at timestamptz not null,
      requested_at timestamptz not null default clock_timestamp(),
      settled_at timestamptz,
      primary key (model, version),
      foreign key (model, version) references versions (model, version),
      constraint approvals_settled_whole check ((status = 'pending') = (settled_at is null) and (status = 'pending') = (settled_reason is null))
    );

    create function approvals_settle_once() returns trigger language plpgsql as $$
    begin
      if old.status <> 'pending' then
        raise exception 'approval of % % is settled as % and stays so', old.model, old.version, old.status using errcode = 'restrict_violation';
      end if;
      return new;
    end $$;
    create trigger approvals_settle_once before update on approvals for each row execute function approvals_settle_once();
    create trigger approvals_kept before delete on approvals for each row execute function refuse_change();

    create table approval_decisions (
      id bigint generated always as identity primary key,
      model text not null,
      version text not null,
      decided_by text not null,
      decision text not null check (decision in ('approve', 'reject')),
      reason text not null,
      ticket text,
      evidence_digest text,
      key_id text,
      signature text,
      identity text not null check (identity in ('signed', 'claimed', 'automatic')),
      decided_at timestamptz not null,
      constraint approval_decisions_one_a_person unique (model, version, decided_by),
      foreign key (model, version) references approvals (model, version),
      check (identity <> 'signed' or (key_id is not null and signature is not null))
    );
    create trigger approval_decisions_kept before update or delete on approval_decisions for each row execute function refuse_change();

    create table policies (
      version integer primary key check (version > 0),
      policy jsonb not null,
      changed_by text not null,
      reason text not null,
      changed_at timestamptz not null default clock_timestamp(),
      check ((policy ->> 'version')::integer = version)
    );
    create trigger policies_kept before update or delete on policies for each row execute function refuse_change();

    create table people (
      key_id text primary key,
      name text not null,
      public_key text not null,
      registered_by text not null,
      registered_at timestamptz not null default clock_timestamp(),
      revoked_at timestamptz
    );
    create index people_name on people (name);

    create table audit (
      sequence bigint primary key check (sequence > 0),
      at timestamptz not null,
      model text,
      action text not null,
      actor text not null,
      identity text not null check (identity in ('signed', 'claimed', 'automatic', 'system')),
      outcome text not null check (outcome in ('done', 'refused', 'failed')),
      reason text not null,
      ticket text,
      details jsonb not null,
      key text unique,
      previous_hash text not null,
      hash text not null
    );
    create index audit_model on audit (model, sequence);
    create trigger audit_append_only before update or delete on audit for each row execute function refuse_change();
    create trigger audit_whole before truncate on audit for each statement execute function refuse_change();

    create table audit_head (
      single boolean primary key default true check (single),
      sequence bigint not null,
      hash text not null
    );
    insert into audit_head (sequence, hash) values (0, repeat('0', 64));
    create trigger audit_head_kept before delete on audit_head for each row execute function refuse_change();
    create trigger audit_head_whole before truncate on audit_head for each statement execute function refuse_change();

    create table outbox (
      key text primary key,
      model text not null,
      notice jsonb not null,
      attempts integer not null default 0,
      last_error text,
      next_try_at timestamptz not null default clock_timestamp(),
      created_at timestamptz not null default clock_timestamp(),
      delivered_at timestamptz
    );
    create index outbox_due on outbox (model, next_try_at) where delivered_at is null;

    create table lifecycles (
      model text primary key,
      paused_by text,
      paused_reason text,
      paused_at timestamptz,
      check ((paused_by is null) = (paused_at is null) and (paused_by is null) = (paused_reason is null))
    );
  `.execute(db);
}
