-- Schemas, extensions, the role that runs SQL fixes, and helpers of all subjects. Who may do what stands in the last
-- migration, `privileges`.

create schema ops;
comment on schema ops is 'The Pattern Learning Engine: logs, patterns, fixes and their history. Exposed through PostgREST.';

create schema ops_internal;
comment on schema ops_internal is
  'Functions and tables behind schema ops: policies, triggers, scheduled jobs, and work that takes more rights than its caller has. Never exposed through PostgREST.';

create schema fix;
comment on schema fix is 'Where approved SQL fixes run, as the unprivileged role ops_fixer. Never exposed through PostgREST.';

-- A project may have an extension already, in another schema. So each is looked for by what we use of it.
create extension if not exists pg_trgm with schema extensions;

do $$
begin
  if to_regnamespace('net') is null then
    create extension pg_net with schema extensions;
  end if;
  if to_regnamespace('vault') is null then
    create extension supabase_vault cascade;
  end if;
  if to_regnamespace('cron') is null then
    create extension pg_cron with schema pg_catalog;
    grant usage on schema cron to postgres;
    grant all privileges on all tables in schema cron to postgres;
  end if;
  -- A role belongs to the whole server; another database of it may have made this one.
  if not exists (select from pg_catalog.pg_roles where rolname = 'ops_fixer') then
    create role ops_fixer nologin noinherit;
  end if;
end
$$;

comment on role ops_fixer is
  'Runs approved SQL fixes. It has no rights until an operator gives it a table: pattern-engine fixer grant TABLE';

create function ops_internal.touch_updated_at() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.updated_at := now();
  return new;
end
$$;

comment on function ops_internal.touch_updated_at is 'Sets updated_at to the time of the change.';

create function ops_internal.refuse_if(
  p_is_wrong boolean, p_code text, p_message text, p_hint text, p_detail text default null
) returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if p_is_wrong then
    raise exception using errcode = p_code, message = p_message, hint = p_hint, detail = coalesce(p_detail, '');
  end if;
end
$$;

comment on function ops_internal.refuse_if is
  'Raises this code if the condition is true: PL019 for a rule, PL021 for what can no longer be undone, PL022 for a choice that does not fit.';
