-- The brake for everything: while a pause holds, no fix runs.

create table ops.fix_pauses (
  id bigserial primary key,
  pause_id uuid not null unique default gen_random_uuid(),
  cause text not null constraint fix_pauses_cause_known check (cause in ('person', 'storm')),
  reason text not null,
  started_at timestamptz not null default clock_timestamp(),
  started_by uuid,
  expires_at timestamptz not null,
  ended_at timestamptz,
  ended_by uuid,
  ended_reason text,
  constraint fix_pauses_person_named check (cause <> 'person' or started_by is not null)
);

comment on table ops.fix_pauses is 'Times in which no fix runs, by a person''s order or in a storm of errors.';
comment on column ops.fix_pauses.id is 'Order of pausing.';
comment on column ops.fix_pauses.pause_id is 'Stable id.';
comment on column ops.fix_pauses.cause is 'person, or storm: many patterns with a fix fired together.';
comment on column ops.fix_pauses.reason is 'Why.';
comment on column ops.fix_pauses.started_at is 'Since when.';
comment on column ops.fix_pauses.started_by is 'Who ordered it; null for the engine.';
comment on column ops.fix_pauses.expires_at is 'Until when it holds, unless somebody ends it.';
comment on column ops.fix_pauses.ended_at is 'When somebody ended it.';
comment on column ops.fix_pauses.ended_by is 'Who did.';
comment on column ops.fix_pauses.ended_reason is 'Why.';

create index idx_fix_pauses_open on ops.fix_pauses (expires_at) where ended_at is null;

alter table ops.fix_pauses enable row level security;

create policy "Operators read pauses" on ops.fix_pauses
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

revoke all on table ops.fix_pauses from public, anon, authenticated, service_role;
revoke all on sequence ops.fix_pauses_id_seq from public, anon, authenticated, service_role;
grant select on table ops.fix_pauses to authenticated, service_role;

create function ops_internal.current_pause() returns ops.fix_pauses
language sql
stable
set search_path = ''
as $$
  select pauses.*
  from ops.fix_pauses as pauses
  where pauses.ended_at is null and pauses.expires_at > clock_timestamp()
  order by pauses.expires_at desc
  limit 1
$$;

comment on function ops_internal.current_pause() is 'The pause that holds now, of several the one that holds longest; null without one.';

create function ops_internal.pause_refusal() returns text
language sql
stable
set search_path = ''
as $$
  select format(
    'All fixes are paused until %s: %s', to_char(pauses.expires_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), pauses.reason
  )
  from ops_internal.current_pause() as pauses
  where pauses.id is not null
$$;

comment on function ops_internal.pause_refusal() is 'Why nothing runs now, as a sentence; null without a pause.';

create function ops_internal.stop_for_storm(p_patterns bigint, p_policy jsonb) returns text
language plpgsql
security definer
set search_path = ''
as $$
declare
  seconds constant double precision := ops_internal.threshold(p_policy, 'storm_pause_seconds');
  pause ops.fix_pauses;
begin
  -- Of several workers that see one storm, one makes the pause.
  perform pg_advisory_xact_lock(hashtextextended('ops.fix_pauses', 0));
  if (select current_pause.id from ops_internal.current_pause()) is null then
    insert into ops.fix_pauses (cause, reason, expires_at)
    values (
      'storm',
      format('%s patterns with a fix fired within %s seconds', p_patterns, p_policy ->> 'storm_seconds'),
      clock_timestamp() + make_interval(secs => seconds)
    )
    returning * into pause;

    insert into ops.roman_events (event_type, severity, description, metadata)
    values (
      'storm_stop', 'critical', 'All fixes are paused: ' || pause.reason,
      jsonb_build_object('pause_id', pause.pause_id, 'patterns', p_patterns, 'expires_at', pause.expires_at)
    );
  end if;
  return coalesce(ops_internal.pause_refusal(), format('%s patterns with a fix fire together', p_patterns));
end
$$;

comment on function ops_internal.stop_for_storm(bigint, jsonb) is 'Pauses all fixes because so many patterns fire together, unless they are paused; answers the refusal.';

create function ops.stop_for_storm_v1(p_patterns bigint, p_policy jsonb) returns text
language sql
set search_path = ''
as $$ select ops_internal.stop_for_storm(p_patterns, p_policy) $$;

comment on function ops.stop_for_storm_v1(bigint, jsonb) is
  'Pauses all fixes because so many different patterns with an enabled fix fire together; answers why nothing runs now.';

create function ops_internal.pause_fixes(p_reason text, p_seconds integer) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  pause ops.fix_pauses;
begin
  if p_seconds is null or p_seconds not between 1 and 2592000 or coalesce(trim(p_reason), '') = '' then
    raise exception using
      errcode = 'PL022',
      message = 'a pause has a reason and an end',
      hint = 'Give a reason, and from 1 second to 30 days.';
  end if;
  insert into ops.fix_pauses (cause, reason, started_by, expires_at)
  values ('person', p_reason, person, clock_timestamp() + make_interval(secs => p_seconds))
  returning * into pause;

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'fixes_paused', 'warning', 'All fixes are paused: ' || p_reason, person,
    jsonb_build_object('pause_id', pause.pause_id, 'expires_at', pause.expires_at)
  );
  return to_jsonb(pause);
end
$$;

comment on function ops_internal.pause_fixes(text, integer) is 'The work of ops.pause_fixes_v1, with the rights that only it has.';

create function ops.pause_fixes_v1(p_reason text, p_seconds integer) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.pause_fixes(p_reason, p_seconds) $$;

comment on function ops.pause_fixes_v1(text, integer) is
  'Pauses all fixes for so many seconds. For an ops_operator or ops_admin in person; answers the pause.';

create function ops_internal.resume_fixes(p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  ended uuid [];
begin
  with closed as (
    update ops.fix_pauses set
      ended_at = clock_timestamp(),
      ended_by = person,
      ended_reason = p_reason
    where fix_pauses.ended_at is null and fix_pauses.expires_at > clock_timestamp()
    returning pause_id
  )

  select coalesce(array_agg(closed.pause_id), '{}') into ended from closed;

  if cardinality(ended) > 0 then
    insert into ops.roman_events (event_type, severity, description, actor, metadata)
    values (
      'fixes_resumed', 'info', 'Fixes run again', person, jsonb_build_object('pause_ids', to_jsonb(ended), 'reason', p_reason)
    );
  end if;
  return jsonb_build_object('ended', to_jsonb(ended));
end
$$;

comment on function ops_internal.resume_fixes(text) is 'The work of ops.resume_fixes_v1, with the rights that only it has.';

create function ops.resume_fixes_v1(p_reason text default null) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.resume_fixes(p_reason) $$;

comment on function ops.resume_fixes_v1(text) is
  'Ends every pause that holds, a storm''s too. For an ops_operator or ops_admin in person; answers the ids of those that it ended.';

revoke all on function
  ops_internal.current_pause(),
  ops_internal.pause_refusal(),
  ops_internal.stop_for_storm(bigint, jsonb),
  ops.stop_for_storm_v1(bigint, jsonb),
  ops_internal.pause_fixes(text, integer),
  ops.pause_fixes_v1(text, integer),
  ops_internal.resume_fixes(text),
  ops.resume_fixes_v1(text)
from public, anon, authenticated, service_role;
grant execute on function
  ops_internal.current_pause(), ops_internal.pause_refusal(), ops_internal.stop_for_storm(bigint, jsonb),
  ops.stop_for_storm_v1(bigint, jsonb)
to service_role;
grant execute on function
  ops_internal.pause_fixes(text, integer), ops.pause_fixes_v1(text, integer),
  ops_internal.resume_fixes(text), ops.resume_fixes_v1(text)
to authenticated, service_role;
