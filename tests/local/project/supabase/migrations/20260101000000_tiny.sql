-- A small project for the tests of the local stack: one table with RLS and some odd functions.

create schema ops;
grant usage on schema ops to anon, authenticated, service_role;

create table ops.notes (
  id bigserial primary key,
  body text not null,
  amount numeric,
  anything jsonb,
  old_json json,
  written_at timestamptz not null default now(),
  owner uuid default auth.uid() references auth.users (id)
);
alter table ops.notes enable row level security;
create policy "Authors read their notes" on ops.notes
  for select to authenticated using (owner = (select auth.uid()));
create policy "Authors write their notes" on ops.notes
  for insert to authenticated with check (owner = (select auth.uid()));
grant select, insert on ops.notes to authenticated;
grant all on ops.notes to service_role;
grant usage on all sequences in schema ops to authenticated, service_role;

-- Nobody but its owner may touch this one, whatever happens to the others.
create table ops.private_notes (id bigserial primary key, body text);
alter table ops.private_notes enable row level security;

create function ops.fail_with_hint() returns void
language plpgsql
as $$
begin
  raise exception using
    errcode = 'PL002',
    message = 'there is no such pattern',
    detail = 'looked for 7',
    hint = 'list them first';
end
$$;

create function ops.sleep(seconds numeric) returns int
language sql
as $$ select 1 from pg_sleep(seconds) $$;

create function ops.kinds(as_jsonb jsonb, as_json json) returns jsonb
language sql
as $$ select jsonb_build_object('jsonb', jsonb_typeof(as_jsonb), 'json', json_typeof(as_json)) $$;

create function ops.total(amounts numeric[]) returns numeric
language sql
as $$ select sum(amount) from unnest(amounts) as amount $$;

create function ops.caller() returns jsonb
language sql
as $$
  select jsonb_build_object(
    'role', current_user, 'uid', auth.uid(), 'claimed', auth.role(), 'email', auth.jwt() ->> 'email'
  )
$$;

grant execute on all functions in schema ops to anon, authenticated, service_role;

-- What the operator's commands need.
create table ops.operators (
  user_id uuid primary key references auth.users (id) on delete cascade,
  role text not null check (role in ('ops_viewer', 'ops_operator', 'ops_admin')),
  created_at timestamptz not null default now(),
  created_by text not null default current_user
);
create role ops_fixer nologin noinherit;

