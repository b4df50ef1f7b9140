-- The life of a pattern: open, resolved, ignored for a while, archived; and what happens when it is seen again.

alter table ops.error_patterns
  add column resolved_at timestamptz,
  add column resolved_by uuid,
  add column resolved_release text,
  add column ignored_until timestamptz,
  add column ignored_until_count integer,
  drop constraint error_patterns_status_known,
  add constraint error_patterns_status_known check (status in ('open', 'resolved', 'ignored', 'archived', 'merged'));

comment on column ops.error_patterns.status is
  'open; resolved, until it is seen again; ignored, until a time or a count; archived when unseen for 90 days; merged into another pattern.';
comment on column ops.error_patterns.resolved_at is 'When it was last resolved. An error that happened later is a regression.';
comment on column ops.error_patterns.resolved_by is 'Who resolved it. Kept after the person is gone.';
comment on column ops.error_patterns.resolved_release is 'The release that resolved it, where the person says so.';
comment on column ops.error_patterns.ignored_until is 'An ignored pattern that is seen at or after this time is open again.';
comment on column ops.error_patterns.ignored_until_count is 'An ignored pattern whose occurrence_count reaches this is open again.';

create function ops_internal.seen_again(p_pattern_ids uuid []) returns void
language sql
set search_path = ''
as $$
  with woken as (
    select patterns.pattern_id, patterns.status, patterns.ignored_until, patterns.ignored_until_count
    from ops.error_patterns as patterns
    where patterns.pattern_id = any(p_pattern_ids)
      and case patterns.status
        when 'archived' then true
        -- An error from before, delivered late, is no regression.
        when 'resolved' then patterns.last_seen > patterns.resolved_at
        when 'ignored' then
          coalesce(now() >= patterns.ignored_until, false)
          or coalesce(patterns.occurrence_count >= patterns.ignored_until_count, false)
        else false
      end
  ),

  opened as (
    update ops.error_patterns as patterns set
      status = 'open',
      ignored_until = null,
      ignored_until_count = null
    from woken
    where patterns.pattern_id = woken.pattern_id
    returning
      patterns.pattern_id, patterns.pattern_signature, patterns.occurrence_count, patterns.last_seen,
      patterns.last_release, patterns.last_environment, patterns.resolved_at, patterns.resolved_release,
      woken.status as former_status, woken.ignored_until, woken.ignored_until_count
  )

  insert into ops.roman_events (event_type, severity, description, metadata)
  select
    case opened.former_status when 'resolved' then 'pattern_regressed' else 'pattern_reopened' end,
    case opened.former_status when 'resolved' then 'warning' else 'info' end,
    case opened.former_status
      when 'resolved' then 'A resolved pattern came back: ' || opened.pattern_signature
      when 'ignored' then 'An ignored pattern reached its limit: ' || opened.pattern_signature
      else 'An archived pattern came back: ' || opened.pattern_signature
    end,
    jsonb_build_object(
      'pattern_id', opened.pattern_id,
      'pattern_signature', opened.pattern_signature,
      'former_status', opened.former_status,
      'occurrence_count', opened.occurrence_count,
      'last_seen', opened.last_seen,
      'release', opened.last_release,
      'environment', opened.last_environment
    )
    || case opened.former_status
      when 'resolved' then jsonb_build_object('resolved_at', opened.resolved_at, 'resolved_release', opened.resolved_release)
      when 'ignored' then jsonb_build_object(
        'ignored_until', opened.ignored_until, 'ignored_until_count', opened.ignored_until_count
      )
      else '{}'
    end
  from opened
$$;

comment on function ops_internal.seen_again(uuid []) is
  'Opens those of these patterns that must not stay resolved, ignored or archived, and tells of it. Learning calls it once it has counted, where a status is not open.';
revoke all on function ops_internal.seen_again(uuid []) from public, anon, authenticated, service_role;
grant execute on function ops_internal.seen_again(uuid []) to service_role;

create function ops_internal.resolve_pattern(p_pattern_id uuid, p_release text, p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  pattern ops.error_patterns := ops_internal.lock_pattern(p_pattern_id);
begin
  if pattern.status = 'resolved' then
    return to_jsonb(pattern);
  end if;
  update ops.error_patterns set
    status = 'resolved',
    resolved_at = clock_timestamp(),
    resolved_by = person,
    resolved_release = p_release,
    ignored_until = null,
    ignored_until_count = null
  where error_patterns.pattern_id = p_pattern_id
  returning * into pattern;
  perform ops_internal.tell_decision('pattern_resolved', 'Pattern resolved: ', pattern, person, p_reason);
  return to_jsonb(pattern);
end
$$;

comment on function ops_internal.resolve_pattern(uuid, text, text) is 'The work of ops.resolve_pattern_v1, with the rights that only it has.';

create function ops_internal.ignore_pattern(
  p_pattern_id uuid, p_until timestamptz, p_occurrences integer, p_reason text
) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  pattern ops.error_patterns := ops_internal.lock_pattern(p_pattern_id);
begin
  perform ops_internal.refuse_if(
    p_until <= now(), 'PL022', format('until is %s, which has passed', p_until), 'Give a time to come.'
  );
  perform ops_internal.refuse_if(
    p_occurrences not between 1 and 1000000000, 'PL022', format('occurrences is %s', p_occurrences),
    'Give a number from 1 to 1000000000: how many more errors are ignored.'
  );
  update ops.error_patterns set
    status = 'ignored',
    ignored_until = p_until,
    ignored_until_count = pattern.occurrence_count + p_occurrences
  where error_patterns.pattern_id = p_pattern_id
  returning * into pattern;
  perform ops_internal.tell_decision('pattern_ignored', 'Pattern ignored: ', pattern, person, p_reason);
  return to_jsonb(pattern);
end
$$;

comment on function ops_internal.ignore_pattern(uuid, timestamptz, integer, text) is 'The work of ops.ignore_pattern_v1, with the rights that only it has.';

create function ops_internal.reopen_pattern(p_pattern_id uuid, p_reason text) returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  person constant uuid := ops_internal.require_person(array['ops_operator', 'ops_admin']);
  pattern ops.error_patterns := ops_internal.lock_pattern(p_pattern_id);
begin
  if pattern.status = 'open' then
    return to_jsonb(pattern);
  end if;
  update ops.error_patterns set status = 'open', ignored_until = null, ignored_until_count = null
  where error_patterns.pattern_id = p_pattern_id
  returning * into pattern;
  perform ops_internal.tell_decision('pattern_reopened', 'Pattern reopened: ', pattern, person, p_reason);
  return to_jsonb(pattern);
end
$$;

comment on function ops_internal.reopen_pattern(uuid, text) is 'The work of ops.reopen_pattern_v1, with the rights that only it has.';

create function ops_internal.tell_decision(
  p_event_type text, p_description text, p_pattern ops.error_patterns, p_person uuid, p_reason text
) returns void
language sql
set search_path = ''
as $$
  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    p_event_type, 'info', p_description || p_pattern.pattern_signature, p_person,
    jsonb_build_object(
      'pattern_id', p_pattern.pattern_id,
      'pattern_signature', p_pattern.pattern_signature,
      'occurrence_count', p_pattern.occurrence_count,
      'resolved_release', p_pattern.resolved_release,
      'ignored_until', p_pattern.ignored_until,
      'ignored_until_count', p_pattern.ignored_until_count,
      'reason', p_reason
    )
  )
$$;

comment on function ops_internal.tell_decision(text, text, ops.error_patterns, uuid, text) is 'Writes a person''s decision about a pattern into the journal.';

create function ops.resolve_pattern_v1(p_pattern_id uuid, p_release text default null, p_reason text default null) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.resolve_pattern(p_pattern_id, p_release, p_reason) $$;

comment on function ops.resolve_pattern_v1(uuid, text, text) is
  'Marks a pattern as resolved; an error that happens later is a regression. For an ops_operator or ops_admin in person.';

create function ops.ignore_pattern_v1(
  p_pattern_id uuid, p_until timestamptz default null, p_occurrences integer default null, p_reason text default null
) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.ignore_pattern(p_pattern_id, p_until, p_occurrences, p_reason) $$;

comment on function ops.ignore_pattern_v1(uuid, timestamptz, integer, text) is
  'Ignores a pattern until a time, until so many more errors, whichever comes first, or for good. For an ops_operator or ops_admin in person.';

create function ops.reopen_pattern_v1(p_pattern_id uuid, p_reason text default null) returns jsonb
language sql
set search_path = ''
as $$ select ops_internal.reopen_pattern(p_pattern_id, p_reason) $$;

comment on function ops.reopen_pattern_v1(uuid, text) is 'Opens a resolved, ignored or archived pattern. For an ops_operator or ops_admin in person.';

revoke all on function
  ops_internal.resolve_pattern(uuid, text, text),
  ops_internal.ignore_pattern(uuid, timestamptz, integer, text),
  ops_internal.reopen_pattern(uuid, text),
  ops_internal.tell_decision(text, text, ops.error_patterns, uuid, text),
  ops.resolve_pattern_v1(uuid, text, text),
  ops.ignore_pattern_v1(uuid, timestamptz, integer, text),
  ops.reopen_pattern_v1(uuid, text)
from public, anon, authenticated, service_role;
grant execute on function
  ops_internal.resolve_pattern(uuid, text, text),
  ops_internal.ignore_pattern(uuid, timestamptz, integer, text),
  ops_internal.reopen_pattern(uuid, text),
  ops.resolve_pattern_v1(uuid, text, text),
  ops.ignore_pattern_v1(uuid, timestamptz, integer, text),
  ops.reopen_pattern_v1(uuid, text)
to authenticated, service_role;
