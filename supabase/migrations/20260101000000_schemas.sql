-- Schemas and extensions. `ops` is exposed through PostgREST; the other two never are.
--
-- Nothing is granted by default: each later migration revokes first and grants by name.

create schema ops;
comment on schema ops is
  'The Pattern Learning Engine: logs, patterns, fixes and their history. Exposed through PostgREST.';

create schema ops_internal;
comment on schema ops_internal is
  'Helpers of schema ops: policies, triggers, scheduled jobs. Never exposed through PostgREST.';

create schema fix;
comment on schema fix is
  'Where approved SQL fixes run, as the unprivileged role ops_fixer. Never exposed through PostgREST.';

alter default privileges in schema ops revoke all on tables from public, anon, authenticated, service_role;
alter default privileges in schema ops revoke all on sequences from public, anon, authenticated, service_role;
alter default privileges in schema ops revoke all on functions from public, anon, authenticated, service_role;
alter default privileges in schema ops_internal revoke all on tables from public, anon, authenticated, service_role;
alter default privileges in schema ops_internal revoke all on functions from public, anon, authenticated, service_role;
alter default privileges in schema fix revoke all on functions from public, anon, authenticated, service_role;

revoke all on schema ops, ops_internal, fix from public;
grant usage on schema ops to anon, authenticated, service_role;
-- Policies and the functions of `ops` call helpers with their caller's rights.
grant usage on schema ops_internal to authenticated, service_role;

-- An extension is created only where its surface is missing: a project may have it already.
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
end
$$;
