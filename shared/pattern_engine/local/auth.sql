-- Privileges on the schemas auth and supabase_migrations, and the functions that policies call. This
-- runs at every start, after the gateway, which creates its own versions of these functions.

grant usage on schema auth to postgres, anon, authenticated, service_role;
grant all on all tables in schema auth to postgres;
grant all on all sequences in schema auth to postgres;
grant execute on all functions in schema auth to postgres, anon, authenticated, service_role;

-- As on a hosted project, these read both forms of the claims; without a token they return null.
create or replace function auth.uid() returns uuid
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )::uuid
$$;

create or replace function auth.role() returns text
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
  )
$$;

create or replace function auth.email() returns text
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.email', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
  )
$$;

create or replace function auth.jwt() returns jsonb
language sql stable
as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')
  )::jsonb
$$;

-- `supabase db push` logs in as postgres and writes its history here.
create schema if not exists supabase_migrations;
alter schema supabase_migrations owner to postgres;
do $ownership$
declare
  relation text;
begin
  for relation in
    select format('%I.%I', schemaname, tablename)
    from pg_tables
    where schemaname = 'supabase_migrations' and tableowner <> 'postgres'
  loop
    execute format('alter table %s owner to postgres', relation);
  end loop;
end
$ownership$;
