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
comment on column ops.fix_pauses.expires_at is 'When the pause ends, unless a person ends it earlier.';
comment on column ops.fix_pauses.ended_at is 'When a person ended the pause.';
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
    'cooldown_seconds', 'demote_after', 'disable_after', 'errors_at_maximum', 'flaps_per_day', 'late_seconds',
    'max_window_seconds', 'min_confidence_api_call', 'min_confidence_bash', 'min_confidence_sql', 'min_confidence_typescript',
    'min_lower_bound', 'min_lower_bound_outcomes', 'min_window_seconds', 'rows_per_hour', 'rows_per_incident', 'runs_per_hour',
    'runs_per_incident', 'settle_seconds', 'storm_patterns', 'storm_pause_seconds', 'storm_seconds', 'storm_share'
  ] loop
    if ops_internal.threshold(p_policy, name) not between (name = 'errors_at_maximum')::integer and 1e9 then
      raise exception using
        errcode = 'PL022',
        message = format('%s is %s', name, p_policy -> name),
        hint = 'A threshold is a number from 0 to 1e9; errors_at_maximum is at least 1.';
    end if;
  end loop;
end
$$;

comment on function ops_internal.require_policy is
  'Raises PL022 unless all thresholds are there, so that none is found missing only when a run is judged.';

create table ops_internal.thresholds (
  digest bytea primary key,
  policy jsonb not null,
  first_seen timestamptz not null default clock_timestamp()
);

comment on table ops_internal.thresholds is
  'The sets of thresholds with which claims came. The engine sends them with each claim, so that a set that is new is told in the journal: it is a changed setting, or somebody else who has the secret key.';
comment on column ops_internal.thresholds.digest is 'SHA-256 of the set.';
comment on column ops_internal.thresholds.policy is 'The thresholds by their names.';
comment on column ops_internal.thresholds.first_seen is 'When a claim came with them for the first time.';

create function ops_internal.note_thresholds(p_policy jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  own_digest constant bytea := sha256(convert_to(p_policy::text, 'UTF8'));
  former jsonb;
begin
  if exists (select from ops_internal.thresholds as known where known.digest = own_digest) then
    return;
  end if;
  select latest.policy into former from ops_internal.thresholds as latest order by latest.first_seen desc limit 1;
  insert into ops_internal.thresholds (digest, policy) values (own_digest, p_policy) on conflict do nothing;
  if found then
    insert into ops.roman_events (event_type, severity, description, metadata)
    values (
      'thresholds_changed', case when former is null then 'info' else 'warning' end,
      case when former is null then 'The first claim came with these thresholds' else 'A claim came with thresholds that no claim had before' end,
      jsonb_build_object(
        'thresholds', p_policy,
        'changed', (
          select coalesce(jsonb_object_agg(given.key, jsonb_build_object('from', former -> given.key, 'to', given.value)), '{}')
          from jsonb_each(p_policy) as given
          where former is not null and given.value is distinct from former -> given.key
        )
      )
    );
  end if;
end
$$;

comment on function ops_internal.note_thresholds is
  'Records in the journal, once for each set of thresholds, that a claim came with it and what differs from the set before.';

create function ops_internal.require_parts(p_parts jsonb) returns void
language plpgsql
immutable
set search_path = ''
as $$
declare
  expected constant text [] := array[
    '1 analysis', '1 cap', '1 destruction', '1 dry_run', '1 hosts', '1 tables', '3 retries', '3 time_limit', '4 quiet_hours'
  ];
  given text [];
begin
  select array_agg(named.part order by named.part) into given
  from (
    select format('%s %s', parts.law, parts.part) collate "C" as part
    from jsonb_to_recordset(p_parts) as parts (law integer, part text)
  ) as named;
  if given is distinct from expected then
    raise exception using
      errcode = 'PL022',
      message = format('the parts of the Four Laws are %s', coalesce(array_to_string(given, ', '), 'missing')),
      hint = format('Send each of these once: %s.', array_to_string(expected, ', '));
  end if;
end
$$;

comment on function ops_internal.require_parts is
  'Raises PL022 unless these are the parts of the Four Laws that the engine computes, each once, by law and name. Without a part its law could not fail.';

create function ops_internal.fibonacci(p_place integer) returns double precision
language sql
immutable
set search_path = ''
as $$
  -- Binet's formula; exact up to the place at which the sequence is cut.
  select round(((1 + sqrt(5)) / 2) ^ (least(p_place, 30) + 1) / sqrt(5))
$$;

comment on function ops_internal.fibonacci is
  'The Fibonacci sequence 1, 1, 2, 3, 5, … at the places 0, 1, 2, 3, 4, …; pauses grow by it.';

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

comment on function ops_internal.current_pause is 'The pause that holds now; of several, the one that ends last; null without one.';

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

create function ops_internal.stop_for_storm(p_patterns bigint, p_policy jsonb) returns void
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
end
$$;

comment on function ops_internal.stop_for_storm is
  'Pauses all fixes because so many different patterns with an enabled fix have errors at the same time, unless they are paused already.';

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
      message = 'the pause has no reason or no valid length',
      hint = 'Send a reason, and a length from 1 second to 30 days.';
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

create function ops_internal.firing_patterns(p_pattern_id uuid, p_seconds double precision) returns integer
language plpgsql
stable
set search_path = ''
-- Planned for each call, because only the value shows the planner how few patterns are that recent.
set plan_cache_mode = 'force_custom_plan'
as $$
declare
  since constant timestamptz := now() - make_interval(secs => p_seconds);
begin
  return (
    -- The pattern at hand counts, whether or not its error was learned yet.
    select 1 + count(*)::integer
    from ops.error_patterns as patterns
    where patterns.auto_fix_enabled
      and patterns.last_seen > since
      and patterns.pattern_id <> p_pattern_id
      -- Only rows that may fire a fix make a storm. Otherwise anyone who writes logs could pause all fixes.
      and exists (
        select from ops.pattern_fixes as fixes
        -- Lateral and limited, so that the recent errors of one pattern are read, and only until there is one.
        cross join lateral (
          select from ops.pattern_incidents as incidents
          where incidents.pattern_id = fixes.pattern_id
            and incidents.occurred_at > since
            -- A storm pauses the fixes of others, too.
            and incidents.counts
            and (
              select logs.created_at > since and logs.log_level in ('error', 'critical') and logs.written_by = any(fixes.trusted_writers)
              from ops.system_logs as logs
              where logs.id = incidents.system_log_id
            )
            and (fixes.guard is null or ops_internal.guard_admits(ops_internal.whole_guard(fixes.pattern_id, fixes.version, fixes.guard), incidents.identifiers))
          limit 1
        ) as recent
        where fixes.pattern_id = patterns.pattern_id and fixes.disabled_at is null
      )
  );
end
$$;

comment on function ops_internal.firing_patterns is
  'How many different patterns with an enabled fix had errors within the last seconds, this one included.';

create function ops_internal.hold(p_fix ops.pattern_fixes) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select case
      when pauses.id is not null then jsonb_build_object('code', 'paused', 'until', pauses.expires_at, 'reason', pauses.reason)
      when p_fix.mode in ('demoted', 'expired') then jsonb_build_object('code', p_fix.mode, 'reason', p_fix.mode_reason)
    end
    from ops_internal.current_pause() as pauses
  );
end
$$;

comment on function ops_internal.hold is
  'Why this fix runs for no error at all now: all fixes are paused, or this one was demoted or has expired; null if nothing holds it.';

-- The Four Laws. Each looks at several parts. A part holds, does not hold, or (null) there is nothing to judge it by; its
-- numbers are the compared values and the thresholds. The parts that follow from the script and from the clock come from
-- the engine; the parts that follow from what happened so far are computed here, while the pattern is locked, and nowhere
-- else. docs/explanation/four-laws.md says what each part means. They are in PL/pgSQL because it keeps their plans; PostgreSQL
-- 15 would plan functions in SQL again with each claim.

create function ops_internal.law_part(p_law integer, p_part text, p_holds boolean, p_numbers jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return jsonb_build_object('law', p_law, 'part', p_part, 'holds', p_holds, 'numbers', p_numbers);
end
$$;

comment on function ops_internal.law_part is 'A part of a law as the engine sends it, too: law, part, holds, numbers.';

-- How many errors are usual.

create table ops_internal.error_counts (
  since timestamptz primary key,
  errors bigint not null
);

comment on table ops_internal.error_counts is
  'How many errors that count were logged in every five minutes of the last five weeks; none where there is no row. A job adds to it once a minute, so that a claim does not search the log.';
comment on column ops_internal.error_counts.since is 'When the five minutes began.';
comment on column ops_internal.error_counts.errors is 'Rows of ops.system_logs with level error.';

create table ops_internal.error_counting (
  only_row boolean primary key default true constraint error_counting_has_one_row check (only_row),
  last_id bigint not null default 0
);

comment on table ops_internal.error_counting is 'How far the log was counted into ops_internal.error_counts.';
comment on column ops_internal.error_counting.only_row is 'Holds the table to one row.';
comment on column ops_internal.error_counting.last_id is 'The last log row that was counted.';

insert into ops_internal.error_counting default values;

create function ops_internal.count_errors() returns bigint
language plpgsql
security definer
set search_path = ''
as $$
declare
  keep constant interval := interval '5 weeks';
  counted_through bigint;
  -- Rows of transactions that are open now are missed. They are few beside what is usual.
  through constant bigint := (select max(logs.id) from ops.system_logs as logs);
  counted bigint;
begin
  select counting.last_id into counted_through from ops_internal.error_counting as counting for update skip locked;
  if not found then
    return 0::bigint;  -- Another run is under way.
  end if;
  with fresh as (
    select date_bin('5 minutes', logs.created_at, 'epoch') as since, count(*) as errors
    from ops.system_logs as logs
    where logs.id > counted_through
      and logs.id <= through
      and logs.log_level = 'error'
      and logs.written_by = any((select ops_internal.counted_writers())::text [])
      and logs.created_at > now() - keep
    group by 1
  ),

  stored as (
    insert into ops_internal.error_counts as counts (since, errors)
    select fresh.since, fresh.errors from fresh
    on conflict (since) do update set errors = counts.errors + excluded.errors
  )

  select coalesce(sum(fresh.errors), 0)::bigint into counted from fresh;
  update ops_internal.error_counting set last_id = through where error_counting.last_id < through;
  delete from ops_internal.error_counts where error_counts.since < now() - keep;
  delete from ops_internal.user_quotas where user_quotas.minute < now() - interval '1 hour';
  return counted;
end
$$;

comment on function ops_internal.count_errors is
  'Counts what was logged since the last run into ops_internal.error_counts, and forgets quotas of past minutes; answers how many errors it counted.';

create function ops_internal.usual_errors(p_at timestamptz default now()) returns double precision
language plpgsql
stable
set search_path = ''
as $$
declare
  five_minutes constant interval := interval '5 minutes';
  here constant timestamptz := date_bin(five_minutes, p_at, 'epoch');
  beginning constant timestamptz := (select min(counts.since) from ops_internal.error_counts as counts);
  least_slots constant integer := 12;
  -- The five minutes that are looked at: those of this hour in the four weeks before; in a project's first week, those of
  -- this hour on the days before; on its first day, all until half an hour ago.
  slots timestamptz [] := array(
    select here - weeks.week * interval '7 days' + steps.step * five_minutes
    from generate_series(1, 4) as weeks (week)
    cross join generate_series(-6, 6) as steps (step)
    where here - weeks.week * interval '7 days' + steps.step * five_minutes >= beginning
  );
begin
  if cardinality(slots) < least_slots then
    slots := array(
      select here - days.day * interval '1 day' + steps.step * five_minutes
      from generate_series(1, 6) as days (day)
      cross join generate_series(-6, 6) as steps (step)
      where here - days.day * interval '1 day' + steps.step * five_minutes >= beginning
    );
  end if;
  if cardinality(slots) < least_slots then
    slots := array(
      select here - steps.step * five_minutes
      from generate_series(6, 287) as steps (step)
      where here - steps.step * five_minutes >= beginning
    );
  end if;
  if cardinality(slots) < least_slots then
    return null;
  end if;
  return (
    select percentile_cont(0.5) within group (order by coalesce(counts.errors, 0))
    from unnest(slots) as looked_at (since)
    left join ops_internal.error_counts as counts on counts.since = looked_at.since
  );
end
$$;

comment on function ops_internal.usual_errors is
  'How many errors the project usually has in five minutes at this hour of the week: the median of the four weeks before, and for a younger project of what it has. Null without an hour of history.';

create function ops_internal.recent_errors(p_at timestamptz, p_most bigint) returns bigint
language plpgsql
stable
set search_path = ''
as $$
declare
  writers constant text [] := ops_internal.counted_writers();
begin
  return (
    select count(*)
    from (
      select from ops.system_logs as logs
      where logs.created_at between p_at - interval '5 minutes' and p_at
        and logs.log_level = 'error'
        and logs.written_by = any(writers)
      limit p_most
    ) as recent
  );
end
$$;

comment on function ops_internal.recent_errors is
  'How many errors that count were logged in the five minutes until then; no more than p_most are counted.';

create function ops_internal.load_part(p_pattern_id uuid, p_policy jsonb, p_at timestamptz default now()) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  most_counted constant bigint := 10000::bigint;
  recent bigint := ops_internal.recent_errors(p_at, most_counted);
  of_pattern constant bigint := (
    select count(*)
    from (
      select from ops.pattern_incidents as incidents
      where incidents.pattern_id = p_pattern_id
        and incidents.occurred_at between p_at - interval '5 minutes' and p_at
        and incidents.counts
      limit most_counted
    ) as recent_incidents
  );
  least_maximum constant double precision := ops_internal.threshold(p_policy, 'errors_at_maximum');
  -- Below the least maximum, what is usual decides nothing and is not looked for.
  usual constant double precision := case when recent >= least_maximum then ops_internal.usual_errors(p_at) end;
  maximum constant double precision := greatest(least_maximum, usual * ops_internal.setting('load_multiple')::integer);
  share double precision;
begin
  if recent = most_counted and maximum > most_counted then
    recent := ops_internal.recent_errors(p_at, ceil(maximum)::bigint);
  end if;
  share := of_pattern / nullif(recent, 0)::double precision;
  return ops_internal.law_part(
    2, 'load', recent < maximum or share >= ops_internal.threshold(p_policy, 'storm_share'),
    jsonb_build_object(
      'recent_errors', recent,
      'errors_at_maximum', maximum,
      'system_entropy', least(1, recent / maximum),
      'recent_errors_of_pattern', of_pattern,
      'share_of_errors', share,
      'storm_share', p_policy -> 'storm_share'
    )
    || case when maximum > least_maximum then jsonb_build_object('usual_errors', usual) else '{}' end
  );
end
$$;

comment on function ops_internal.load_part is
  'Law 2: the errors of five minutes, measured by the threshold or by a multiple of what is usual, whichever is more, are the system''s entropy; at its maximum only a fix of the pattern that makes up most of them may run.';

create function ops_internal.order_parts(p_fix ops.pattern_fixes, p_policy jsonb) returns jsonb
language plpgsql
stable
set search_path = ''
-- The latest runs of the fix are the first of its own index, whatever the statistics make of other ways.
set enable_bitmapscan = off
set enable_sort = off
as $$
begin
  return (
    select jsonb_build_array(
      ops_internal.load_part(p_fix.pattern_id, p_policy),
      ops_internal.law_part(
        2, 'history',
        case when outcomes.verified + outcomes.failed > 0 then outcomes.failed <= outcomes.verified or outcomes.verified + outcomes.failed < 3 end,
        jsonb_build_object(
          'verified_outcomes', outcomes.verified,
          'failed_outcomes', outcomes.failed,
          'entropy_increase', 0.05 * (outcomes.failed - outcomes.verified) / nullif(outcomes.verified + outcomes.failed, 0)
        )
      )
    )
    from (
      select
        count(*) filter (where latest.outcome = 'verified') as verified,
        count(*) filter (where latest.outcome = 'failed') as failed
      from (
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
      ) as latest
    ) as outcomes
  );
end
$$;

comment on function ops_internal.order_parts is
  'Law 2: how many errors there are, and whether this fix made them fewer by its latest ten decided outcomes since it was enabled.';

create function ops_internal.proportion_parts(p_fix ops.pattern_fixes, p_taken uuid, p_policy jsonb) returns jsonb
language plpgsql
stable
set search_path = ''
-- The latest runs of the fix are the first of its own index, whatever the statistics make of other ways.
set enable_bitmapscan = off
set enable_sort = off
as $$
begin
  return (
    select jsonb_build_array(
      ops_internal.law_part(
        3, 'runs', hour.runs < ops_internal.threshold(p_policy, 'runs_per_hour'),
        jsonb_build_object('runs_last_hour', hour.runs, 'runs_per_hour', p_policy -> 'runs_per_hour')
      ),
      ops_internal.law_part(
        3, 'runs_of_incidents', hour.runs <= ops_internal.threshold(p_policy, 'runs_per_incident') * greatest(hour.incidents, 1),
        jsonb_build_object('incidents_last_hour', hour.incidents, 'runs_per_incident', p_policy -> 'runs_per_incident')
      ),
      ops_internal.law_part(
        3, 'rows', hour.rows_touched <= ops_internal.threshold(p_policy, 'rows_per_hour'),
        jsonb_build_object('rows_last_hour', hour.rows_touched, 'rows_per_hour', p_policy -> 'rows_per_hour')
      ),
      ops_internal.law_part(
        3, 'rows_of_incidents',
        hour.rows_touched <= ops_internal.threshold(p_policy, 'rows_per_incident') * greatest(hour.incidents, 1),
        jsonb_build_object('rows_per_incident', p_policy -> 'rows_per_incident')
      ),
      ops_internal.law_part(
        3, 'confidence', p_fix.confidence_score >= ops_internal.threshold(p_policy, 'min_confidence_' || p_fix.fix_type),
        jsonb_build_object(
          'confidence', p_fix.confidence_score, 'min_confidence', p_policy -> ('min_confidence_' || p_fix.fix_type)
        )
      ),
      ops_internal.law_part(
        3, 'lower_bound',
        -- Of outcomes that have faded little is left, and the bound says nothing of the fix any more.
        case
          when round(p_fix.confidence_outcomes) >= ops_internal.threshold(p_policy, 'min_lower_bound_outcomes')
            then p_fix.confidence_lower_bound >= ops_internal.threshold(p_policy, 'min_lower_bound')
        end,
        jsonb_build_object(
          'lower_bound', p_fix.confidence_lower_bound,
          'min_lower_bound', p_policy -> 'min_lower_bound',
          'decided_outcomes', round(p_fix.confidence_outcomes),
          'min_lower_bound_outcomes', p_policy -> 'min_lower_bound_outcomes'
        )
      )
    )
    from (
      select
        count(*) as runs,
        coalesce(sum(latest.rows_touched), 0) as rows_touched,
        (
          select count(*)
          from (
            select from ops.pattern_incidents as incidents
            where incidents.pattern_id = p_fix.pattern_id
              and incidents.occurred_at >= now() - interval '1 hour'
              and incidents.written_by = any(p_fix.trusted_writers)
            limit 10000
          ) as recent
        ) as incidents
      from (
        select (applications.system_state_after ->> 'rows_touched')::bigint as rows_touched
        from ops.pattern_claims as claims
        left join ops.pattern_applications as applications on applications.application_id = claims.application_id
        where claims.pattern_id = p_fix.pattern_id
          and claims.purpose <> 'undo'
          and claims.application_id is distinct from p_taken
          and claims.claimed_at > now() - interval '1 hour'
        order by claims.claimed_at desc
        -- Once so many ran, nothing runs, whatever the others touched.
        limit ceil(ops_internal.threshold(p_policy, 'runs_per_hour'))::bigint
      ) as latest
    ) as hour
  );
end
$$;

comment on function ops_internal.proportion_parts is
  'Law 3: how much was done within an hour for the pattern and for how many of its errors by writers that the fix trusts, and how well the fix is proven. A claim that is being taken over does not count as a run.';

create function ops_internal.rhythm_parts(p_fix ops.pattern_fixes, p_taken uuid, p_target text, p_policy jsonb) returns jsonb
language plpgsql
set search_path = ''
-- The latest runs of the fix are the first of its own index, whatever the statistics make of other ways.
set enable_bitmapscan = off
set enable_sort = off
as $$
declare
  pause constant double precision := least(
    ops_internal.threshold(p_policy, 'cooldown_seconds') * ops_internal.fibonacci(p_fix.consecutive_failures), 1e9
  );
begin
  return (
    select jsonb_build_array(
      ops_internal.law_part(
        4, 'cooldown', run.seconds >= pause,
        jsonb_build_object(
          'seconds_since_last_run', round(run.seconds::numeric, 3),
          'pause_seconds', pause,
          'cooldown_seconds', p_policy -> 'cooldown_seconds',
          'consecutive_failures', p_fix.consecutive_failures
        )
      ),
      ops_internal.law_part(
        4, 'flapping', overturned.times < ops_internal.threshold(p_policy, 'flaps_per_day'),
        jsonb_build_object('flaps_last_day', overturned.times, 'flaps_per_day', p_policy -> 'flaps_per_day')
      ),
      ops_internal.law_part(
        4, 'storm', firing.patterns < ops_internal.threshold(p_policy, 'storm_patterns'),
        jsonb_build_object(
          'firing_patterns', firing.patterns,
          'storm_patterns', p_policy -> 'storm_patterns',
          'storm_seconds', p_policy -> 'storm_seconds'
        )
      )
    )
    from (
      select extract(epoch from clock_timestamp() - max(claims.claimed_at)) as seconds
      from ops.pattern_claims as claims
      where claims.pattern_id = p_fix.pattern_id
        and claims.fix_version = p_fix.version
        and claims.purpose <> 'undo'
        and claims.target = p_target
        and claims.application_id is distinct from p_taken
        -- As long as a pause can be.
        and claims.claimed_at > now() - greatest(interval '1 day', make_interval(secs => pause))
    ) as run
    cross join (
      select count(*) as times
      from ops.pattern_verifications as verifications
      where verifications.pattern_id = p_fix.pattern_id
        and verifications.overturned_at > now() - interval '1 day'
        and verifications.fix_version <> all(ops_internal.strangers(p_fix.pattern_id, p_fix.version))
    ) as overturned
    cross join ops_internal.firing_patterns(p_fix.pattern_id, ops_internal.threshold(p_policy, 'storm_seconds')) as firing (patterns)
  );
end
$$;

comment on function ops_internal.rhythm_parts is
  'Law 4: whether enough time went by since the last run of this fix for this target, whether it flaps, and whether many patterns with an enabled fix have errors at the same time.';

create function ops_internal.constitutional_verdict(p_signature text, p_parts jsonb) returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
  return (
    with parts as (
      select given.law, given.part, given.holds, given.numbers, given.risk
      from jsonb_to_recordset(p_parts) as given (law integer, part text, holds boolean, numbers jsonb, risk double precision)
    ),

    laws as (
      select
        names.law,
        names.name,
        case when bool_or(not parts.holds) then 'fail' when bool_or(parts.holds) then 'pass' else 'not_evaluated' end as outcome,
        coalesce(avg(parts.holds::integer), 1)::double precision as share_that_holds,
        jsonb_object_agg(parts.part, parts.holds) as parts,
        (
          select jsonb_object_agg(figures.key, figures.value)
          from parts as of_law
          cross join lateral jsonb_each(of_law.numbers) as figures
          where of_law.law = names.law
        ) as numbers
      from (values (1, 'Do No Harm'), (2, 'Increase Order'), (3, 'Sacred Geometry'), (4, 'Harmonic Resonance')) as names (law, name)
      inner join parts on parts.law = names.law
      group by names.law, names.name
    )

    select jsonb_build_object(
      'method_type', 'harmonic_resonance',
      'risk_to_life', (select max(parts.risk) from parts where parts.law = 1),
      'entropy_increase', coalesce((select laws.numbers -> 'entropy_increase' from laws where laws.law = 2 and laws.numbers ->> 'entropy_increase' is not null), to_jsonb(-0.05)),
      'geometric_ratio', 1.618 * (select laws.share_that_holds from laws where laws.law = 3),
      'target_frequency', 7.83 * (select laws.share_that_holds from laws where laws.law = 4),
      'description', 'Auto-fix pattern: ' || p_signature,
      'system_entropy', (select laws.numbers -> 'system_entropy' from laws where laws.law = 2),
      'compliant', (select coalesce(bool_and(laws.outcome <> 'fail'), false) from laws),
      'laws', (
        select jsonb_agg(
          jsonb_build_object(
            'law', laws.law, 'name', laws.name, 'outcome', laws.outcome, 'parts', laws.parts, 'numbers', laws.numbers
          )
          order by laws.law
        )
        from laws
      )
    )
  );
end
$$;

comment on function ops_internal.constitutional_verdict is
  'What the Four Laws say, out of their parts: the specification''s action profile, and each law with its outcome, its parts (which hold) and their numbers. A part that does not hold fails its law; parts without data neither pass nor fail it.';

create function ops_internal.judge_laws(
  p_fix ops.pattern_fixes, p_taken uuid, p_target text, p_parts jsonb, p_policy jsonb
) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return (
    select ops_internal.constitutional_verdict(
      patterns.pattern_signature,
      p_parts
      || ops_internal.order_parts(p_fix, p_policy)
      || ops_internal.proportion_parts(p_fix, p_taken, p_policy)
      || ops_internal.rhythm_parts(p_fix, p_taken, p_target, p_policy)
    )
    from ops.error_patterns as patterns
    where patterns.pattern_id = p_fix.pattern_id
  );
end
$$;

comment on function ops_internal.judge_laws is
  'The verdict of the Four Laws on a run of this fix now, for this target. p_parts are the parts that the engine computed. The caller has locked the pattern.';

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

create function ops_internal.record_violation(p_pattern_id uuid, p_validation jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  signature text;
begin
  -- At most one event a minute for the same laws, so that a burst of errors does not fill the journal. The refusal of each
  -- error is stored with its incident.
  if exists (
    select from ops.roman_events as events
    where events.event_type = 'constitutional_violation'
      and events.created_at > now() - interval '1 minute'
      and events.metadata ->> 'pattern_id' = p_pattern_id::text
      and ops_internal.failed_laws(events.constitutional_validation)
      is not distinct from ops_internal.failed_laws(p_validation)
  ) then
    return;
  end if;

  update ops.error_patterns set constitutional_violations = p_validation
  where error_patterns.pattern_id = p_pattern_id
  returning pattern_signature into signature;

  insert into ops.roman_events (event_type, severity, description, metadata, constitutional_validation)
  values (
    'constitutional_violation', 'warning',
    'Pattern application blocked by Constitutional validation: ' || coalesce(signature, p_pattern_id::text),
    jsonb_build_object('pattern_id', p_pattern_id, 'constitutional_validation', p_validation),
    p_validation
  );
end
$$;

comment on function ops_internal.record_violation is
  'Records that the Four Laws forbade an application: the event, and the pattern''s last violation; once a minute for the same laws.';
