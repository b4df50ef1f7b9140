-- What keeps a fix from running now: pauses, storms, cooldown, the hourly budgets, and the Four Laws' verdicts.

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
comment on column ops.fix_pauses.cause is 'person, or storm: many patterns with an enabled fix had errors at the same time.';
comment on column ops.fix_pauses.reason is 'Why the fixes were paused.';
comment on column ops.fix_pauses.started_at is 'When the pause began.';
comment on column ops.fix_pauses.started_by is 'Who ordered the pause; null for the engine.';
comment on column ops.fix_pauses.expires_at is 'When the pause ends, unless somebody ends it earlier.';
comment on column ops.fix_pauses.ended_at is 'When somebody ended the pause.';
comment on column ops.fix_pauses.ended_by is 'Who ended the pause.';
comment on column ops.fix_pauses.ended_reason is 'Why the pause was ended.';

create index idx_fix_pauses_open on ops.fix_pauses (expires_at) where ended_at is null;

alter table ops.fix_pauses enable row level security;

create policy "Operators read pauses" on ops.fix_pauses
  for select to authenticated
  using ((select ops_internal.caller_role()) is not null);

create function ops_internal.threshold(p_policy jsonb, p_name text) returns double precision
language plpgsql
immutable
set search_path = ''
as $$
begin
  if jsonb_typeof(p_policy -> p_name) is distinct from 'number' then
    raise exception using
      errcode = 'PL022',
      message = format('the policy lacks %s', p_name),
      hint = 'Send the thresholds of the engine''s settings with each claim.';
  end if;
  return (p_policy ->> p_name)::double precision;
end
$$;

comment on function ops_internal.threshold is
  'One of the engine''s thresholds. Raises PL022 where it is missing: there is no default in the database.';

create function ops_internal.require_policy(p_policy jsonb) returns void
language plpgsql
immutable
set search_path = ''
as $$
declare
  name text;
begin
  foreach name in array array[
    'cooldown_seconds', 'runs_per_hour', 'rows_per_hour', 'demote_after', 'disable_after', 'least_window_seconds',
    'most_window_seconds', 'settle_seconds', 'late_seconds', 'storm_patterns', 'storm_seconds', 'storm_pause_seconds'
  ] loop
    if ops_internal.threshold(p_policy, name) not between 0 and 1e9 then
      raise exception using
        errcode = 'PL022',
        message = format('%s is %s', name, p_policy -> name),
        hint = 'A threshold is a number from 0 to 1e9.';
    end if;
  end loop;
end
$$;

comment on function ops_internal.require_policy is
  'Raises PL022 unless all thresholds are there: what is missed only when a run is to be judged, is missed too late.';

create function ops_internal.backoff(p_failures integer) returns double precision
language sql
immutable
set search_path = ''
as $$
  -- Binet's formula, exact far beyond any number of failures that a breaker lets happen.
  select round(((1 + sqrt(5)) / 2) ^ (least(p_failures, 30) + 1) / sqrt(5))
$$;

comment on function ops_internal.backoff is
  'How many cooldowns to wait after so many failures in a row: the Fibonacci sequence 1, 1, 2, 3, 5, … as in fibonacci.py.';

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

comment on function ops_internal.current_pause is
  'The pause that holds now, of several the one that holds longest; null without one.';

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

comment on function ops_internal.pause_refusal is 'Why nothing runs now, as a sentence; null without a pause.';

create function ops.stop_for_storm_v1(p_patterns bigint, p_policy jsonb) returns text
language plpgsql
security definer
set search_path = ''
as $$
declare
  seconds constant double precision := ops_internal.threshold(p_policy, 'storm_pause_seconds');
  pause ops.fix_pauses;
begin
  -- If several workers see the same storm, one of them makes the pause.
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

comment on function ops.stop_for_storm_v1 is
  'Pauses all fixes because so many different patterns with an enabled fix have errors at the same time, unless they are paused already; answers why nothing runs now.';

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
      message = 'a pause needs a reason and a length',
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

create function ops.pause_fixes_v1(p_reason text, p_seconds integer) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.pause_fixes(p_reason, p_seconds) $$;

comment on function ops.pause_fixes_v1 is
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

create function ops.resume_fixes_v1(p_reason text default null) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.resume_fixes(p_reason) $$;

comment on function ops.resume_fixes_v1 is
  'Ends every pause, those of storms too. For an ops_operator or ops_admin in person; answers the ids of the pauses that it ended.';

create function ops_internal.brake(p_fix ops.pattern_fixes, p_taken uuid, p_target text, p_policy jsonb) returns text
language plpgsql
set search_path = ''
as $$
declare
  -- A variable, so that an index can be searched for what is later: clock_timestamp() itself is a new one for each row.
  moment constant timestamptz := clock_timestamp();
  pause text := ops_internal.pause_refusal();
  wait constant double precision := ops_internal.threshold(p_policy, 'cooldown_seconds') * ops_internal.backoff((
    select patterns.consecutive_failures from ops.error_patterns as patterns where patterns.pattern_id = p_fix.pattern_id
  ));
  runs bigint;
  rows_touched bigint;
  last_run timestamptz;
  firing bigint;
begin
  if pause is not null then
    return pause;
  end if;
  if p_fix.mode = 'demoted' then
    return format('The fix waits for a person: %s', p_fix.mode_reason);
  end if;

  select max(claims.claimed_at) into last_run
  from ops.pattern_claims as claims
  where claims.pattern_id = p_fix.pattern_id
    and claims.fix_version = p_fix.version
    and claims.purpose <> 'undo'
    and claims.target = p_target
    and claims.application_id is distinct from p_taken
    and claims.claimed_at > moment - make_interval(secs => wait);
  if last_run is not null then
    return format(
      'The fix ran %s s ago; it waits %s s between two runs',
      round(extract(epoch from moment - last_run)::numeric, 1), wait
    );
  end if;

  select count(*), coalesce(sum((applications.system_state_after ->> 'rows_touched')::bigint), 0)::bigint into runs, rows_touched
  from ops.pattern_claims as claims
  left join ops.pattern_applications as applications on applications.application_id = claims.application_id
  where claims.pattern_id = p_fix.pattern_id
    and claims.purpose <> 'undo'
    and claims.application_id is distinct from p_taken
    and claims.claimed_at > moment - interval '1 hour';
  if runs >= ops_internal.threshold(p_policy, 'runs_per_hour') then
    return format('The fix ran %s times within an hour: its budget is spent', runs);
  end if;
  if rows_touched >= ops_internal.threshold(p_policy, 'rows_per_hour') then
    return format('The fix touched %s rows within an hour: its budget is spent', rows_touched);
  end if;

  -- Claims of different patterns wait for each other only here, so that each counts those before it.
  perform pg_advisory_xact_lock(hashtextextended('ops.fix_pauses', 0));
  pause := ops_internal.pause_refusal();
  if pause is not null then
    return pause;
  end if;
  select count(distinct claims.pattern_id) into firing
  from ops.pattern_claims as claims
  where claims.claimed_at > moment - make_interval(secs => ops_internal.threshold(p_policy, 'storm_seconds'))
    and claims.pattern_id <> p_fix.pattern_id
    and claims.purpose <> 'undo';
  if firing + 1 >= ops_internal.threshold(p_policy, 'storm_patterns') then
    return ops.stop_for_storm_v1(firing + 1, p_policy);
  end if;
  return null;
end
$$;

comment on function ops_internal.brake is
  'Why this fix must not run for this error now, as a sentence; null if nothing forbids it. A claim that is being taken over does not count as a run. The caller has locked the pattern.';

create function ops_internal.standing(p_fix ops.pattern_fixes) returns jsonb
language sql
stable
set search_path = ''
as $$
  with latest as (
    select verifications.outcome
    from ops.pattern_verifications as verifications
    where verifications.pattern_id = p_fix.pattern_id
      and verifications.fix_version = p_fix.version
      and verifications.mode = 'live'
      and verifications.outcome in ('verified', 'failed')
      -- As with failures in a row: a person who enables a demoted fix gives it another try, which past failures must not forbid.
      and verifications.started_at >= p_fix.mode_changed_at
    order by verifications.started_at desc
    limit 10
  ),

  runs as (
    select claims.target, claims.claimed_at, (applications.system_state_after ->> 'rows_touched')::bigint as rows_touched
    from ops.pattern_claims as claims
    left join ops.pattern_applications as applications on applications.application_id = claims.application_id
    where claims.pattern_id = p_fix.pattern_id
      and claims.purpose <> 'undo'
      and claims.claimed_at > now() - interval '1 hour'
  )

  select jsonb_build_object(
    'verified', (select count(*) from latest where latest.outcome = 'verified'),
    'failed', (select count(*) from latest where latest.outcome = 'failed'),
    'flaps_last_day', (
      select count(*)
      from ops.pattern_verifications as overturned
      where overturned.pattern_id = p_fix.pattern_id and overturned.overturned_at > now() - interval '1 day'
    ),
    'runs_last_hour', (select count(*) from runs),
    'rows_last_hour', (select coalesce(sum(runs.rows_touched), 0) from runs),
    'incidents_last_hour', (
      select count(*)
      from (
        select from ops.pattern_incidents as incidents
        where incidents.pattern_id = p_fix.pattern_id and incidents.occurred_at >= now() - interval '1 hour'
        limit 10000
      ) as recent
    ),
    'seconds_since_run', (
      select coalesce(jsonb_object_agg(by_target.target, by_target.seconds), '{}')
      from (
        select claims.target, extract(epoch from now() - max(claims.claimed_at)) as seconds
        from ops.pattern_claims as claims
        where claims.pattern_id = p_fix.pattern_id
          and claims.fix_version = p_fix.version
          and claims.purpose <> 'undo'
          and claims.claimed_at > now() - interval '1 day'
        group by claims.target
        order by max(claims.claimed_at) desc
        limit 100
      ) as by_target
    )
  )
$$;

comment on function ops_internal.standing is
  'How a fix did of late: its latest ten decided outcomes since it was enabled, those overturned in a day, the runs, rows and errors of the last hour, and the seconds since its last run by target.';

create function ops_internal.firing_patterns(p_seconds double precision) returns integer
language plpgsql
stable
set search_path = ''
-- Planned with each call: only with its value does the planner see how few rows are so young.
set plan_cache_mode = 'force_custom_plan'
as $$
begin
  return (
    select count(distinct patterns.pattern_id)::integer
    from (
      select logs.id, logs.written_by
      from ops.system_logs as logs
      where logs.log_level in ('error', 'critical') and logs.created_at > now() - make_interval(secs => p_seconds)
      order by logs.created_at desc
      limit 1000
    ) as recent
    inner join ops.pattern_incidents as incidents on incidents.system_log_id = recent.id
    inner join ops.error_patterns as patterns on patterns.pattern_id = incidents.pattern_id
    where patterns.auto_fix_enabled
      -- Rows that may not fire a fix do not make a storm. Otherwise anyone who writes logs could pause all fixes.
      and exists (
        select from ops.pattern_fixes as fixes
        where fixes.pattern_id = patterns.pattern_id
          and fixes.disabled_at is null
          and recent.written_by = any(fixes.trusted_writers)
      )
  );
end
$$;

comment on function ops_internal.firing_patterns is
  'How many different patterns with an enabled fix are among the errors of the last seconds, of a thousand at most.';

create function ops_internal.failed_laws(p_validation jsonb) returns jsonb
language sql
immutable
set search_path = ''
as $$
  select jsonb_agg(laws.law -> 'law' order by laws.law -> 'law')
  from jsonb_array_elements(p_validation -> 'laws') as laws (law)
  where laws.law ->> 'outcome' = 'fail'
$$;

comment on function ops_internal.failed_laws is 'Numbers of the laws that a verdict says failed.';

create function ops.record_violation_v1(p_pattern_id uuid, p_validation jsonb) returns uuid
language plpgsql
set search_path = ''
as $$
declare
  signature text;
  recorded uuid;
begin
  -- At most one event a minute for the same laws, so that a burst of errors does not fill the journal. The refusal of each
  -- error is stored with its incident.
  select events.event_id into recorded
  from ops.roman_events as events
  where events.event_type = 'constitutional_violation'
    and events.created_at > now() - interval '1 minute'
    and events.metadata ->> 'pattern_id' = p_pattern_id::text
    and ops_internal.failed_laws(events.constitutional_validation)
    is not distinct from ops_internal.failed_laws(p_validation)
  limit 1;
  if found then
    return recorded;
  end if;

  update ops.error_patterns set constitutional_violations = p_validation
  where error_patterns.pattern_id = p_pattern_id
  returning pattern_signature into signature;

  return ops.record_event_v1(
    'constitutional_violation', 'warning',
    'Pattern application blocked by Constitutional validation: ' || coalesce(signature, p_pattern_id::text),
    jsonb_build_object('pattern_id', p_pattern_id, 'constitutional_validation', p_validation),
    p_validation
  );
end
$$;

comment on function ops.record_violation_v1 is
  'Records that the Four Laws forbade an application: the event, and the pattern''s last violation; once a minute for the same laws. Answers the event''s id.';
