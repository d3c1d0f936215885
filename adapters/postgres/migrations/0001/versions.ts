import { type Kysely, sql } from 'kysely';

/** Versions with stage and approval status, aliases and their history. */
export async function createVersions(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table versions (
      model text not null,
      version text not null check (version ~ '^(0|[1-9][0-9]*)[.](0|[1-9][0-9]*)[.](0|[1-9][0-9]*)$'),
      run text not null,
      definition_digest text not null,
      previous_version text,
      package_digest text not null,
      package jsonb not null,
      signature_digest text,
      stage text not null check (stage in ('None', 'Staging', 'Production', 'Archived')),
      approval_status text not null check (approval_status in ('pending', 'approved', 'rejected')),
      risk text not null check (risk in ('low', 'limited', 'high')),
      risk_reason text not null,
      refused text,
      metrics jsonb not null,
      champion_metrics jsonb not null,
      gates jsonb not null,
      evaluation jsonb not null,
      hyperparameters jsonb not null,
      dataset_digest text not null references datasets (digest),
      feature_schema jsonb not null,
      signature jsonb not null,
      shape jsonb not null,
      card text not null,
      changelog text not null,
      tags jsonb not null default '{}',
      trained_from timestamptz not null,
      trained_to timestamptz not null,
      created_at timestamptz not null default clock_timestamp(),
      primary key (model, version),
      constraint versions_one_a_run unique (model, run),
      foreign key (model, run) references runs (model, run),
      foreign key (model, definition_digest) references definitions (model, digest),
      foreign key (model, previous_version) references versions (model, version),
      constraint versions_live_are_approved check (stage not in ('Staging', 'Production') or approval_status = 'approved'),
      constraint versions_refused_are_rejected check (refused is null or approval_status = 'rejected')
    );
    create unique index versions_one_in_production on versions (model) where stage = 'Production';
    create index versions_package on versions (package_digest);
    create index versions_dataset on versions (dataset_digest);

    -- The moves that domain/stage-rules.ts allows, for whoever comes past it.
    create function versions_legal_moves() returns trigger language plpgsql as $$
    begin
      if (new.model, new.version, new.run, new.package_digest) is distinct from (old.model, old.version, old.run, old.package_digest) then
        raise exception '% %: model, version, run and package of a version never change', old.model, old.version using errcode = 'restrict_violation';
      end if;
      if new.stage <> old.stage and not (old.stage || '>' || new.stage) = any (array[
        'None>Staging', 'None>Archived', 'Staging>None', 'Staging>Production', 'Staging>Archived',
        'Production>Archived', 'Archived>Staging', 'Archived>Production']) then
        raise exception '% %: no move of stage from % to %', old.model, old.version, old.stage, new.stage using errcode = 'restrict_violation';
      end if;
      if new.approval_status <> old.approval_status and old.approval_status <> 'pending' then
        raise exception '% %: approval is settled as % and stays so', old.model, old.version, old.approval_status using errcode = 'restrict_violation';
      end if;
      return new;
    end $$;
    create trigger versions_legal_moves before update on versions for each row execute function versions_legal_moves();

    -- Archived versions are kept.
    create function refuse_change() returns trigger language plpgsql as $$
    begin
      raise exception 'rows of % are never changed by %', tg_table_name, tg_op using errcode = 'restrict_violation';
    end $$;
    create trigger versions_kept before delete on versions for each row execute function refuse_change();

    create table aliases (
      model text not null,
      alias text not null check (alias in ('champion', 'challenger', 'previous')),
      version text not null,
      promotion_id text not null,
      changed_at timestamptz not null,
      primary key (model, alias),
      foreign key (model, version) references versions (model, version)
    );

    create table alias_history (
      id bigint generated always as identity primary key,
      model text not null,
      alias text not null,
      version text not null,
      promotion_id text not null,
      changed_by text not null,
      reason text not null,
      valid_from timestamptz not null,
      valid_to timestamptz,
      foreign key (model, version) references versions (model, version),
      check (valid_to > valid_from)
    );
    create unique index alias_history_one_open on alias_history (model, alias) where valid_to is null;
    create index alias_history_at on alias_history (model, alias, valid_from desc);

    -- Two holders of one alias at one time are refused; a closed row stays as it is.
    create function alias_history_rules() returns trigger language plpgsql as $$
    begin
      if tg_op = 'UPDATE' and (old.valid_to is not null or (new.model, new.alias, new.version, new.promotion_id, new.changed_by, new.reason, new.valid_from)
          is distinct from (old.model, old.alias, old.version, old.promotion_id, old.changed_by, old.reason, old.valid_from)) then
        raise exception 'history of %@%: only an open row may be changed, and only be closed', old.model, old.alias using errcode = 'restrict_violation';
      end if;
      if exists (select 1 from alias_history other where other.model = new.model and other.alias = new.alias and other.id <> new.id
          and other.valid_from < coalesce(new.valid_to, 'infinity') and new.valid_from < coalesce(other.valid_to, 'infinity')) then
        raise exception 'history of %@%: two versions at one time', new.model, new.alias using errcode = 'restrict_violation';
      end if;
      return new;
    end $$;
    create trigger alias_history_rules before insert or update on alias_history for each row execute function alias_history_rules();
    create trigger alias_history_kept before delete on alias_history for each row execute function refuse_change();
    create trigger alias_history_whole before truncate on alias_history for each statement execute function refuse_change();
  `.execute(db);
}
