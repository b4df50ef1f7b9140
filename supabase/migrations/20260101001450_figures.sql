-- Figures over time for the console: errors, patterns, runs and refusals by day, the review of a week's failed runs, and what
-- the Four Laws allowed and forbade. Days are days of UTC.

create table ops_internal.daily_figures (
  figure text not null,
  day date not null,
  number bigint not null,
  primary key (figure, day)
);

comment on table ops_internal.daily_figures is
  'What is counted by day, so that no page counts a million errors: errors (those that count), new_patterns, and law_1 to law_4, the violations in which that law failed. A job adds to it once a minute.';
comment on column ops_internal.daily_figures.figure is 'What was counted.';
comment on column ops_internal.daily_figures.day is 'The day, in UTC.';
comment on column ops_internal.daily_figures.number is 'How many there were.';

create table ops_internal.daily_runs (
  day date not null,
  pattern_type text not null,
  runs bigint not null,
  healed bigint not null,
  failed bigint not null,
  inconclusive bigint not null,
  pending bigint not null,
  heal_median double precision,
  heal_p95 double precision,
  primary key (day, pattern_type)
);

comment on table ops_internal.daily_runs is
  'What became of the live runs of each day, for each type of error and for all. A job computes a day again when something about one of its runs changed.';
comment on column ops_internal.daily_runs.day is 'The day, in UTC, on which the runs ended.';
comment on column ops_internal.daily_runs.pattern_type is 'database, api, rls, stripe, deployment, or all.';
comment on column ops_internal.daily_runs.runs is 'How many runs there were.';
comment on column ops_internal.daily_runs.healed is 'How many are verified: the error stayed away.';
comment on column ops_internal.daily_runs.failed is 'How many failed, or were overturned or undone.';
comment on column ops_internal.daily_runs.inconclusive is 'Of how many it is not known.';
comment on column ops_internal.daily_runs.pending is 'How many are not decided yet.';
comment on column ops_internal.daily_runs.heal_median is
  'Seconds from an error until the run that healed it had ended, of the verified runs: the median.';
comment on column ops_internal.daily_runs.heal_p95 is 'The same, the 95th percentile.';

create table ops_internal.figures_counting (
  only_row boolean primary key default true constraint figures_counting_has_one_row check (only_row),
  last_incident_id bigint not null default 0,
  last_event_id bigint not null default 0,
  key_figures jsonb,
  counted_at timestamptz
);

comment on table ops_internal.figures_counting is 'How far errors and events were counted into ops_internal.daily_figures, and the figures of all patterns and runs.';
comment on column ops_internal.figures_counting.only_row is 'Holds the table to one row.';
comment on column ops_internal.figures_counting.last_incident_id is 'The last error that was counted.';
comment on column ops_internal.figures_counting.last_event_id is 'The last event that was counted.';
comment on column ops_internal.figures_counting.key_figures is 'The figures of all patterns and runs, as of the last count.';
comment on column ops_internal.figures_counting.counted_at is 'When the job counted last.';

insert into ops_internal.figures_counting default values;

create function ops_internal.pattern_figures() returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'total_patterns', count(*),
    'avg_success_rate', coalesce(round(avg(patterns.success_rate), 2), 0),
    'total_applications', (select count(*) from ops.pattern_applications),
    'patterns_by_type', jsonb_build_object(
      'database', count(*) filter (where patterns.pattern_type = 'database'),
      'api', count(*) filter (where patterns.pattern_type = 'api'),
      'rls', count(*) filter (where patterns.pattern_type = 'rls'),
      'stripe', count(*) filter (where patterns.pattern_type = 'stripe'),
      'deployment', count(*) filter (where patterns.pattern_type = 'deployment')
    ),
    'awaiting_approval', count(*) filter (
      where patterns.occurrence_count >= (select ops_internal.setting('review_occurrences')::integer)
        and not patterns.has_running_fix
        and patterns.status = 'open'
    )
  )
  from ops.error_patterns as patterns
  -- As in ops_internal.statistics: patterns of errors none of which counts are in no figure.
  where patterns.status <> 'merged' and (patterns.occurrence_count > 0 or patterns.untrusted_occurrences = 0)
$$;

comment on function ops_internal.pattern_figures is 'The figures that take all patterns or all runs; with 100,000 of them this takes too long for a page.';

-- A day's runs are found by it.
create function ops_internal.count_runs(p_days date []) returns void
language sql
set search_path = ''
as $$
  delete from ops_internal.daily_runs where daily_runs.day = any(p_days);

  insert into ops_internal.daily_runs (
    day, pattern_type, runs, healed, failed, inconclusive, pending, heal_median, heal_p95
  )
  select
    days.day, coalesce(patterns.pattern_type, 'all'),
    count(*),
    count(*) filter (where runs.outcome = 'verified'),
    count(*) filter (where runs.outcome = 'failed'),
    count(*) filter (where runs.outcome = 'inconclusive'),
    count(*) filter (where runs.outcome = 'pending'),
    percentile_cont(0.5) within group (order by healed.seconds),
    percentile_cont(0.95) within group (order by healed.seconds)
  from unnest(p_days) as days (day)
  inner join ops.pattern_verifications as runs
    on runs.started_at >= days.day::timestamp at time zone 'UTC'
    and runs.started_at < (days.day + 1)::timestamp at time zone 'UTC'
  inner join ops.error_patterns as patterns on patterns.pattern_id = runs.pattern_id
  cross join lateral (
    select
      case when runs.outcome = 'verified'
        then greatest(extract(epoch from runs.started_at - runs.error_at), 0)::double precision
      end as seconds
  ) as healed
  where runs.mode = 'live'
  group by grouping sets ((days.day, patterns.pattern_type), (days.day))
$$;

comment on function ops_internal.count_runs is 'Computes these days of ops_internal.daily_runs again.';

create function ops_internal.count_figures() returns bigint
language plpgsql
security definer
set search_path = ''
as $$
declare
  counting ops_internal.figures_counting;
  -- What began a minute ago has ended: the API cuts its transactions after seconds. So no number is left out because its
  -- transaction was open when a later number was counted.
  settled constant timestamptz := now() - interval '1 minute';
  incidents_through bigint;
  events_through bigint;
  counted bigint;
begin
  select * into counting from ops_internal.figures_counting for update skip locked;
  if not found then
    return 0::bigint;  -- Another run is under way.
  end if;
  incidents_through := (
    select max(incidents.id)
    from ops.pattern_incidents as incidents
    where incidents.id > counting.last_incident_id and incidents.learned_at < settled
  );
  events_through := (
    select max(events.id) from ops.roman_events as events where events.id > counting.last_event_id and events.created_at < settled
  );

  with fresh as (
    select 'errors' as figure, (incidents.occurred_at at time zone 'UTC')::date as day, count(*) as number
    from ops.pattern_incidents as incidents
    where incidents.id > counting.last_incident_id and incidents.id <= incidents_through and incidents.counts
    group by 2
    union all
    select 'new_patterns', (events.created_at at time zone 'UTC')::date, count(*)
    from ops.roman_events as events
    where events.id > counting.last_event_id and events.id <= events_through and events.event_type = 'pattern_learned'
    group by 2
    union all
    select 'law_' || failed.law, (events.created_at at time zone 'UTC')::date, count(*)
    from ops.roman_events as events
    cross join lateral jsonb_array_elements_text(ops_internal.failed_laws(events.constitutional_validation)) as failed (law)
    where events.id > counting.last_event_id
      and events.id <= events_through
      and events.event_type = 'constitutional_violation'
    group by 1, 2
  ),

  stored as (
    insert into ops_internal.daily_figures as figures (figure, day, number)
    select fresh.figure, fresh.day, fresh.number from fresh
    on conflict (figure, day) do update set number = figures.number + excluded.number
  )

  select coalesce(sum(fresh.number), 0)::bigint into counted from fresh;

  -- Whatever changes what is known of a run is an event that names it.
  perform ops_internal.count_runs(array(
    select distinct (runs.started_at at time zone 'UTC')::date
    from ops.roman_events as events
    cross join lateral (values (events.metadata ->> 'application_id'), (events.metadata ->> 'undoes')) as named (id)
    inner join ops.pattern_verifications as runs on runs.application_id = named.id::uuid
    where events.id > counting.last_event_id
      and events.id <= events_through
      and runs.mode = 'live'
  ));

  update ops_internal.figures_counting set
    last_incident_id = coalesce(incidents_through, counting.last_incident_id),
    last_event_id = coalesce(events_through, counting.last_event_id),
    key_figures = ops_internal.pattern_figures(),
    counted_at = clock_timestamp();
  return counted;
end
$$;

comment on function ops_internal.count_figures is
  'Adds what was learned and forbidden since the last run to ops_internal.daily_figures, and counts the patterns; answers how much it added. A cron job calls it every minute.';

create function ops_internal.key_figures() returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  counting constant ops_internal.figures_counting := (select counted from ops_internal.figures_counting as counted);
begin
  return coalesce(counting.key_figures, ops_internal.pattern_figures()) || jsonb_build_object(
    'as_of', coalesce(counting.counted_at, now()),
    'enabled_patterns', (select count(*) from ops.error_patterns as patterns where patterns.auto_fix_enabled),
    'approved_patterns', (select count(distinct fixes.pattern_id) from ops.pattern_fixes as fixes),
    'top_patterns', (
      select coalesce(jsonb_agg(to_jsonb(best)), '[]')
      from (
        select
          top.pattern_id, top.pattern_type, left(top.metadata ->> 'template', 400) as template, top.occurrence_count,
          top.success_rate, top.confidence_score
        from ops.error_patterns as top
        where top.auto_fix_enabled
        order by top.success_rate desc, top.occurrence_count desc, top.id
        limit 10
      ) as best
    )
  );
end
$$;

comment on function ops_internal.key_figures is
  'The seven key figures of the specification. Those that take all patterns are as of the last minute''s job; without one, as of now.';

create function ops_internal.console_statistics(p_days integer) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  today constant date := (now() at time zone 'UTC')::date;
  days constant integer := least(greatest(coalesce(p_days, 30), 1), 90);
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return jsonb_build_object(
    'key', ops_internal.key_figures(),
    'first_day', today - days + 1,
    'last_day', today,
    'counted', (
      select coalesce(jsonb_agg(to_jsonb(figures)), '[]')
      from ops_internal.daily_figures as figures
      where figures.figure in ('errors', 'new_patterns') and figures.day > today - days
    ),
    'runs', (
      select coalesce(jsonb_agg(to_jsonb(daily)), '[]') from ops_internal.daily_runs as daily where daily.day > today - days
    )
  );
end
$$;

create function ops.console_statistics_v1(p_days integer default 30) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_statistics(p_days) $$;

comment on function ops.console_statistics_v1 is
  'The seven key figures, and errors, new patterns and runs by day for so many days, at most 90. For operators.';

-- The weekly review.

create function ops_internal.what_followed(p_pattern_id uuid, p_target text, p_started_at timestamptz) returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'application_id', later.application_id, 'started_at', later.started_at, 'fix_version', later.fix_version,
    'outcome', case when later.overturned_at is not null then 'overturned' else later.outcome end
  )
  from ops.pattern_verifications as later
  where later.pattern_id = p_pattern_id
    and later.target = p_target
    and later.mode = 'live'
    and later.started_at > p_started_at
  order by later.started_at
  limit 1
$$;

comment on function ops_internal.what_followed is 'The next run for the same pattern and target; null without one.';

create function ops_internal.console_review(p_week date) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
set plan_cache_mode = 'force_custom_plan'
as $$
declare
  monday constant date := date_trunc('week', p_week::timestamp)::date;
  since constant timestamptz := monday::timestamp at time zone 'UTC';
  most_fixes constant integer := 50;
  most_runs constant integer := 5;
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    with failed as materialized (
      select
        runs.application_id, runs.pattern_id, runs.fix_version, runs.target, runs.started_at, runs.overturned_at, runs.reason,
        row_number() over (partition by runs.pattern_id, runs.fix_version order by runs.started_at desc) as place
      from ops.pattern_verifications as runs
      where runs.outcome = 'failed' and runs.mode = 'live' and runs.started_at >= since and runs.started_at < since + interval '7 days'
    ),

    fixes as materialized (
      select
        failed.pattern_id, failed.fix_version, count(*) as failures, count(failed.overturned_at) as overturned,
        max(failed.started_at) as latest
      from failed
      group by failed.pattern_id, failed.fix_version
    ),

    worst as materialized (
      select * from fixes
      order by fixes.failures desc, fixes.latest desc
      limit most_fixes
    ),

    shown as materialized (
      select
        failed.pattern_id, failed.fix_version,
        jsonb_agg(
          jsonb_build_object(
            'application_id', failed.application_id, 'started_at', failed.started_at, 'reason', left(failed.reason, 400),
            'overturned_at', failed.overturned_at,
            'next', ops_internal.what_followed(failed.pattern_id, failed.target, failed.started_at)
          )
          order by failed.started_at desc
        ) as runs
      from worst
      inner join failed
        on failed.pattern_id = worst.pattern_id and failed.fix_version = worst.fix_version and failed.place <= most_runs
      group by failed.pattern_id, failed.fix_version
    )

    select jsonb_build_object(
      'week', monday,
      'failures', (select count(*) from failed),
      'overturned', (select count(failed.overturned_at) from failed),
      -- As a job counted them a minute ago at most.
      'runs', greatest(
        (
          select sum(daily.runs)::bigint
          from ops_internal.daily_runs as daily
          where daily.pattern_type = 'all' and daily.day >= monday and daily.day < monday + 7
        ),
        (select count(*) from failed)
      ),
      'fix_count', (select count(*) from fixes),
      'fixes', (
        select coalesce(jsonb_agg(to_jsonb(listed) order by listed.failures desc, listed.latest desc), '[]')
        from (
          select
            worst.*, left(patterns.metadata ->> 'template', 400) as template, patterns.pattern_type, patterns.status,
            patterns.last_seen, pinned.fix_type, pinned.success_rate,
            case when pinned.disabled_at is null then pinned.mode else 'disabled' end as state,
            case when pinned.disabled_at is null then pinned.mode_reason else pinned.disabled_reason end as state_reason,
            case when pinned.disabled_at is null then pinned.mode_changed_at else pinned.disabled_at end as state_since,
            case when pinned.disabled_at is null
              then ops_internal.person(pinned.mode_changed_by)
              else ops_internal.person(pinned.disabled_by)
            end as state_by,
            (
              select coalesce(
                jsonb_agg(
                  jsonb_build_object(
                    'version', newer.version, 'approved_at', newer.approved_at, 'approved_by', ops_internal.person(newer.approved_by),
                    'state', case when newer.disabled_at is null then newer.mode else 'disabled' end
                  )
                  order by newer.version
                ),
                '[]'
              )
              from ops.pattern_fixes as newer
              where newer.pattern_id = worst.pattern_id and newer.version > worst.fix_version
            ) as newer,
            shown.runs
          from worst
          inner join shown on shown.pattern_id = worst.pattern_id and shown.fix_version = worst.fix_version
          inner join ops.error_patterns as patterns on patterns.pattern_id = worst.pattern_id
          inner join ops.pattern_fixes as pinned on pinned.pattern_id = worst.pattern_id and pinned.version = worst.fix_version
        ) as listed
      )
    )
  );
end
$$;

create function ops.console_review_v1(p_week date) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_review(p_week) $$;

comment on function ops.console_review_v1 is
  'The failed and overturned live runs of the week of UTC that has this day, by fix: why, what followed, and the state of the fix now. The 50 fixes with the most failures, and the latest five runs of each. For operators.';

-- The Four Laws.

create function ops_internal.console_constitution(p_days integer, p_before jsonb) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
set plan_cache_mode = 'force_custom_plan'
as $$
declare
  today constant date := (now() at time zone 'UTC')::date;
  days constant integer := least(greatest(coalesce(p_days, 30), 1), 90);
  before constant timestamptz := coalesce((p_before ->> 'before')::timestamptz, 'infinity');
  before_id constant bigint := coalesce((p_before ->> 'before_id')::bigint, 9223372036854775807);
  most constant integer := 20;
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  return (
    with page as materialized (
      select events.id, events.created_at, events.metadata ->> 'pattern_id' as pattern_id, events.constitutional_validation
      from ops.roman_events as events
      where events.event_type = 'constitutional_violation'
        and events.created_at <= before
        and (events.created_at, events.id) < (before, before_id)
      order by events.created_at desc, events.id desc
      limit most + 1
    ),

    places as (
      select page.*, row_number() over (order by page.created_at desc, page.id desc) as place from page
    )

    select jsonb_build_object(
      'first_day', today - days + 1,
      'last_day', today,
      'refusals', (
        select coalesce(jsonb_agg(to_jsonb(figures)), '[]')
        from ops_internal.daily_figures as figures
        where figures.figure in ('law_1', 'law_2', 'law_3', 'law_4') and figures.day > today - days
      ),
      'all_refusals', (
        select coalesce(jsonb_object_agg(sums.figure, sums.number), '{}')
        from (
          select figures.figure, sum(figures.number) as number
          from ops_internal.daily_figures as figures
          where figures.figure in ('law_1', 'law_2', 'law_3', 'law_4')
          group by figures.figure
        ) as sums
      ),
      'runs', (
        select coalesce(jsonb_agg(jsonb_build_object('day', runs.day, 'number', runs.runs)), '[]')
        from ops_internal.daily_runs as runs
        where runs.pattern_type = 'all' and runs.day > today - days
      ),
      'violations', (
        select coalesce(
          jsonb_agg(
            jsonb_build_object(
              'at', places.created_at, 'pattern_id', places.pattern_id, 'validation', places.constitutional_validation,
              'template', left(patterns.metadata ->> 'template', 400)
            )
            order by places.place
          ),
          '[]'
        )
        from places
        left join ops.error_patterns as patterns on patterns.pattern_id = places.pattern_id::uuid
        where places.place <= most
      ),
      'next', (
        select jsonb_build_object('before', last.created_at, 'before_id', last.id)
        from places as last
        where last.place = most and exists (select from places as further where further.place > most)
      ),
      'latest_claim', (
        select jsonb_build_object('claimed_at', claims.claimed_at, 'policy', claims.policy)
        -- There is no index by time alone.
        from unnest(array['heal', 'shadow', 'undo']) as purposes (purpose)
        cross join lateral (
          select latest.claimed_at, latest.policy
          from ops.pattern_claims as latest
          where latest.purpose = purposes.purpose
          order by latest.claimed_at desc
          limit 1
        ) as claims
        order by claims.claimed_at desc
        limit 1
      )
    )
  );
end
$$;

create function ops.console_constitution_v1(p_days integer default 30, p_before jsonb default '{}') returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_constitution(p_days, p_before) $$;

comment on function ops.console_constitution_v1 is
  'Runs that the Four Laws allowed and refusals by law for so many days, the violations from a place on, and the thresholds with which the latest claim came. For operators.';
