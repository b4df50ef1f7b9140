-- Who may read, act and approve. The rows of ops.operators decide; role claims in a token are ignored.

create table ops.operators (
  user_id uuid primary key references auth.users (id) on delete cascade,
  role text not null constraint operators_role_known check (role in ('ops_viewer', 'ops_operator', 'ops_admin')),
  created_at timestamptz not null default now(),
  created_by text not null default current_user
);

comment on table ops.operators is 'People who operate the engine. Removing a row takes effect at once, also for tokens that were issued before.';
comment on column ops.operators.user_id is 'The person, a user of Supabase Auth.';
comment on column ops.operators.role is
  'ops_viewer reads; ops_operator also steers the grouping, proposes, disables and pauses fixes, and clusters; ops_admin also approves fixes and writes grouping rules.';
comment on column ops.operators.created_at is 'When the role was given.';
comment on column ops.operators.created_by is 'The database role or the person that gave the role.';

alter table ops.operators enable row level security;

create function ops_internal.caller_role() returns text
language sql
stable
security definer
set search_path = ''
as $$
  select operators.role
  from ops.operators
  where operators.user_id = (select auth.uid())
$$;

comment on function ops_internal.caller_role is
  'The caller''s role as an operator, or null. A project that keeps roles in app_metadata replaces this one function.';

create function ops.caller_role_v1() returns text
language sql stable set search_path = ''
as $$ select ops_internal.caller_role() $$;

comment on function ops.caller_role_v1 is
  'The caller''s role as an operator, or null. The engine asks it with the token of a person, because an operator is told more.';

create policy "Operators read who the operators are" on ops.operators
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.require_role(p_allowed text []) returns void
language plpgsql
stable
set search_path = ''
as $$
declare
  caller_role constant text := ops_internal.caller_role();
begin
  if caller_role is null or caller_role <> all (p_allowed) then
    raise exception using
      errcode = 'PL001',
      message = 'your role does not allow this',
      detail = format('Your role is: %s. Allowed roles: %s.', coalesce(caller_role, 'not an operator'), array_to_string(p_allowed, ', ')),
      hint = 'Ask an administrator of the database to run: pattern-engine operators add YOUR_EMAIL --role ' || p_allowed [1];
  end if;
end
$$;

comment on function ops_internal.require_role is 'Raises PL001 unless the caller is an operator with one of these roles.';

create function ops_internal.require_person(p_allowed text []) returns uuid
language plpgsql
stable
set search_path = ''
as $$
begin
  if (select auth.uid()) is null then
    raise exception using
      errcode = 'PL011',
      message = 'only a signed-in person may do this',
      hint = 'Sign in and send your own access token; the secret key cannot approve.';
  end if;
  perform ops_internal.require_role(p_allowed);
  return (select auth.uid());
end
$$;

comment on function ops_internal.require_person is
  'The calling person''s id. Raises PL011 for the secret key, PL001 for a person without one of these roles.';

create function ops_internal.is_engine() returns boolean
language sql
stable
set search_path = ''
as $$
  select coalesce(current_setting('role', true) = 'service_role', false)
$$;

comment on function ops_internal.is_engine is
  'Whether the caller is the engine, by the secret key. It reads the role of the request: inside a security-definer function current_user is the owner.';

create function ops_internal.require_engine() returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  if current_setting('role', true) not in ('service_role', 'none') then
    raise exception using
      errcode = '42501',
      message = 'only the engine may do this',
      hint = 'The engine calls this function with the secret key; people have the functions of the API.';
  end if;
end
$$;

comment on function ops_internal.require_engine is
  'Raises 42501 unless the caller is the engine, by the secret key, or a role that logged in itself, such as that of the scheduled jobs. So a function of the engine stays closed also where somebody grants all functions of a schema to the API roles.';

create function ops_internal.refuse_write() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  raise exception using
    errcode = '42501',
    message = format('%I.%I is written by the functions of the engine alone', tg_table_schema, tg_table_name),
    hint = 'Call the function that owns what you want to change; the owner of the database may change the table.';
end
$$;

comment on function ops_internal.refuse_write is
  'Refuses to write a table of the record. A trigger of each of them calls it for every role but the owner.';

create function ops_internal.require_engine_or_operator(p_allowed text []) returns void
language plpgsql
stable
set search_path = ''
as $$
begin
  if not ops_internal.is_engine() then
    perform ops_internal.require_role(p_allowed);
  end if;
end
$$;

comment on function ops_internal.require_engine_or_operator is
  'Raises PL001 unless the caller is the engine or an operator with one of these roles.';
