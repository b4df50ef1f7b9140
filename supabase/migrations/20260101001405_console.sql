-- What every page of the operator's console needs. The functions of a page are in the file of its subject.

create function ops_internal.person(p_id uuid) returns text
language sql
stable
security definer
set search_path = ''
as $$
  select case
    when p_id is null then null
    else coalesce((select users.email from auth.users where users.id = p_id), 'a former user')
  end
$$;

comment on function ops_internal.person is
  'The e-mail address of a person, for operators to read; "a former user" after the account was deleted, null for the engine.';

create function ops_internal.console_mark() returns text
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  -- Each reads the last row of its index.
  return format(
    '%s-%s',
    coalesce((select max(incidents.id) from ops.pattern_incidents as incidents), 0),
    coalesce((select max(events.id) from ops.roman_events as events), 0)
  );
end
$$;

create function ops.console_mark_v1() returns text
language sql stable set search_path = ''
as $$ select ops_internal.console_mark() $$;

comment on function ops.console_mark_v1 is
  'A text that differs as soon as an error was learned, or the engine or a person did something; by it a page finds out that it is out of date. For operators.';

create function ops_internal.console_frame() returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return jsonb_build_object(
    'role', ops_internal.caller_role(),
    'email', ops_internal.person((select auth.uid())),
    'mark', ops_internal.console_mark(),
    'pauses', (
      select coalesce(jsonb_agg(to_jsonb(open) order by open.expires_at desc), '[]')
      from (
        select
          pauses.pause_id, pauses.cause, pauses.reason, pauses.started_at, pauses.expires_at,
          ops_internal.person(pauses.started_by) as started_by
        from ops.fix_pauses as pauses
        where pauses.ended_at is null and pauses.expires_at > now()
      ) as open
    )
  );
end
$$;

create function ops.console_frame_v1() returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_frame() $$;

comment on function ops.console_frame_v1 is
  'What every page of the console shows around its own content: role and address of the caller, the pauses that are in effect, and the mark of console_mark_v1. For operators.';
