-- Whether the error stopped after a run, how far a fix is trusted by its outcomes, and when it is taken out of use.

create function ops_internal.silence_window(
  p_pattern_id uuid, p_policy jsonb, p_guard jsonb default null, p_writers text [] default array['service_role']
) returns interval
language sql
stable
set search_path = ''
as $$
  with latest as (
    select incidents.occurred_at
    from (
      select stored.occurred_at, stored.identifiers
      from ops.pattern_incidents as stored
      where stored.pattern_id = p_pattern_id and stored.written_by = any(p_writers)
      order by stored.occurred_at desc
      limit 1000
    ) as incidents
    where ops_internal.guard_admits(p_guard, incidents.identifiers)
    order by incidents.occurred_at desc
    limit 200
  ),

  gaps as (
    select extract(epoch from latest.occurred_at - lag(latest.occurred_at) over (order by latest.occurred_at)) as seconds
    from latest
  ),

  -- With errors at a mean distance of 1/λ, a silence of 3/λ comes about by chance in 5 of 100 cases.
  needed as (
    select greatest(
      3 * avg(gaps.seconds),
      percentile_cont(0.95) within group (order by gaps.seconds)
    ) as seconds
    from gaps
  )

  select make_interval(
    secs => least(
      greatest(needed.seconds, ops_internal.threshold(p_policy, 'min_window_seconds')),
      ops_internal.threshold(p_policy, 'max_window_seconds')
    )
  )
  from needed
$$;

comment on function ops_internal.silence_window is
  'How long an error that this guard admits and one of these writers wrote has to stay away to be gone: three times its mean distance or the 95th percentile of its gaps, whichever is longer, within the policy''s bounds.';

create function ops_internal.open_verification(
  p_claim ops.pattern_claims, p_mode text, p_outcome text default 'pending', p_reason text default null
) returns void
language sql
security definer
set search_path = ''
as $$
  insert into ops.pattern_verifications (
    application_id, pattern_id, fix_version, mode, target, source, error_at, started_at, due_at, late_until, outcome, reason, decided_at,
    policy
  )
  select
    p_claim.application_id, p_claim.pattern_id, p_claim.fix_version, p_mode, p_claim.target, p_claim.source,
    (select logs.created_at from ops.system_logs as logs where logs.id = p_claim.system_log_id),
    clock.now, clock.now + clock.silence,
    clock.now + clock.silence + make_interval(secs => ops_internal.threshold(p_claim.policy, 'late_seconds')),
    p_outcome, p_reason, case when p_outcome <> 'pending' then clock.now end, p_claim.policy
  from (
    select
      clock_timestamp() as now,
      ops_internal.silence_window(
        p_claim.pattern_id, p_claim.policy, ops_internal.whole_guard(fixes.pattern_id, fixes.version, fixes.guard), fixes.trusted_writers
      ) as silence
    from ops.pattern_fixes as fixes
    where fixes.pattern_id = p_claim.pattern_id and fixes.version = p_claim.fix_version
  ) as clock
$$;

comment on function ops_internal.open_verification is
  'Begins to watch whether the error of this run stays away, or records what is known of it already.';

create function ops_internal.watched_runs() returns setof ops.pattern_verifications
language sql
stable
set search_path = ''
as $$
  select verifications.*
  from ops.pattern_verifications as verifications
  where verifications.outcome = 'pending'
    or (verifications.outcome = 'verified' and verifications.late_until > statement_timestamp())
$$;

comment on function ops_internal.watched_runs is
  'Runs whose outcome is not known yet, or can still be overturned.';

create function ops_internal.verdicts(p_application_ids uuid [])
returns table (application_id uuid, outcome text, reason text, recurrence bigint)
language plpgsql
stable
set search_path = ''
-- Planned once, for few runs and for many: whatever belongs to a run is looked up by index.
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  moment constant timestamptz := clock_timestamp();
  -- How a time is written in a reason.
  second constant text := 'YYYY-MM-DD HH24:MI:SS "UTC"';
begin
  return query
  with recursive runs as materialized (
    select
      verifications.*,
      verifications.started_at + make_interval(secs => ops_internal.threshold(verifications.policy, 'settle_seconds')) as settled_at,
      case verifications.outcome when 'pending' then verifications.due_at else verifications.late_until end as watched_until
    from unnest(p_application_ids) as named (id)
    inner join ops.pattern_verifications as verifications on verifications.application_id = named.id
  ),

  used_fixes as materialized (
    select
      fixes.pattern_id, fixes.version, fixes.trusted_writers, fixes.trusts_until,
      fixes.disabled_at is not null or not patterns.has_running_fix as is_out_of_use,
      ops_internal.whole_guard(fixes.pattern_id, fixes.version, fixes.guard) as guard,
      ops_internal.strangers(fixes.pattern_id, fixes.version) as strangers
    from (select distinct runs.pattern_id, runs.fix_version from runs) as used
    inner join ops.pattern_fixes as fixes on fixes.pattern_id = used.pattern_id and fixes.version = used.fix_version
    inner join ops.error_patterns as patterns on patterns.pattern_id = fixes.pattern_id
  ),

  judged as materialized (
    select
      runs.*, used_fixes.trusted_writers, used_fixes.trusts_until, used_fixes.is_out_of_use, used_fixes.guard,
      exists (
        select from ops.pattern_verifications as later
        where later.pattern_id = runs.pattern_id
          and later.target = runs.target
          and later.mode = runs.mode
          and later.started_at > runs.started_at
          -- A run of a fix for other errors says nothing about these.
          and later.fix_version <> all(used_fixes.strangers)
      ) as is_superseded
    from runs
    inner join used_fixes on used_fixes.pattern_id = runs.pattern_id and used_fixes.version = runs.fix_version
  ),

  -- If the pattern was merged since, perhaps more than once, its errors are counted for the one that it was merged into.
  paths as (
    select used_fixes.pattern_id as origin, used_fixes.pattern_id from used_fixes
    union
    select paths.origin, patterns.merged_into
    from paths
    inner join ops.error_patterns as patterns on patterns.pattern_id = paths.pattern_id
    where patterns.merged_into is not null
  ),

  -- The first error of the same pattern and target in the time of a run for which its fix could have run.
  recurrences as (
    select distinct on (judged.application_id) judged.application_id, firsts.system_log_id, firsts.occurred_at
    from judged
    inner join paths on paths.origin = judged.pattern_id
    cross join lateral (
      select incidents.system_log_id, incidents.occurred_at
      from (
        select of_target.*
        from ops.pattern_incidents as of_target
        where judged.target <> '' and of_target.pattern_id = paths.pattern_id and of_target.target = judged.target
        union all
        select of_pattern.*
        from ops.pattern_incidents as of_pattern
        where of_pattern.pattern_id = paths.pattern_id
          -- While the fix is out of use, errors are stored without a target.
          and (judged.target = '' or (judged.is_out_of_use and of_pattern.target is null))
      ) as incidents
      inner join ops.system_logs as logs on logs.id = incidents.system_log_id
      inner join ops.pattern_signatures as signatures on signatures.signature = incidents.signature
      where incidents.occurred_at > judged.settled_at
        and incidents.occurred_at <= judged.watched_until
        -- Rows that may not fire the fix do not count against it. Otherwise anyone who writes logs could take it out of use.
        and logs.written_by = any(judged.trusted_writers)
        and (
          signatures.created_at <= judged.trusts_until
          or signatures.confirmed_at is not null
          or paths.pattern_id <> judged.pattern_id
        )
        and ops_internal.guard_admits(judged.guard, incidents.identifiers)
      order by incidents.occurred_at
      limit 1
    ) as firsts
    where judged.outcome = 'pending'
      -- A late recurrence overturns the last of several verified runs. So does an error that happened before the run was
      -- verified and was learned afterwards.
      or (judged.outcome = 'verified' and not judged.is_superseded and judged.late_until > moment)
    order by judged.application_id, firsts.occurred_at
  ),

  decided as (
    select
      judged.*, recurrences.system_log_id, recurrences.occurred_at,
      case
        when recurrences.application_id is not null then 'failed'
        when judged.outcome <> 'pending' then null
        when judged.is_superseded then 'inconclusive'
        when moment < judged.due_at then null
        -- Errors of a burst that was under way when the run ended do not prove that the source still works.
        when exists (
          select from ops.system_logs as logs
          where coalesce(left(logs.source, 100), '') = coalesce(left(judged.source, 100), '')  -- As in the index.
            and logs.source is not distinct from judged.source
            and logs.created_at > judged.settled_at
            and logs.created_at <= judged.due_at
            -- Rows that may not fire the fix do not count for it either.
            and logs.written_by = any(judged.trusted_writers)
        ) then 'verified'
        else 'inconclusive'
      end as verdict
    from judged
    left join recurrences on recurrences.application_id = judged.application_id
  )

  select
    decided.application_id,
    decided.verdict,
    case
      when decided.verdict = 'failed' then format(
        case decided.outcome when 'pending' then 'The error came back at %s' else 'The error came back late, at %s' end,
        to_char(decided.occurred_at at time zone 'UTC', second)
      )
      when decided.is_superseded then 'Another run followed before anything was known'
      when decided.verdict = 'verified' then format(
        'The error stayed away until the end of its window, %s', to_char(decided.due_at at time zone 'UTC', second)
      )
      else format('%s logged nothing in that time, so it is not known whether the error stopped', coalesce(decided.source, 'The source'))
    end,
    decided.system_log_id
  from decided
  where decided.verdict is not null;
end
$$;

comment on function ops_internal.verdicts is
  'What can be said now of those of these runs that are pending, and against those that are verified. A run of which nothing new is known is left out.';

create function ops_internal.judge_runs(p_application_ids uuid []) returns text []
language plpgsql
set search_path = ''
as $$
declare
  outcomes text [] := '{}'::text [];
begin
  if cardinality(p_application_ids) > 0 then
    with decided as (
      update ops.pattern_verifications as runs set
        outcome = verdicts.outcome,
        reason = verdicts.reason,
        decided_at = clock_timestamp(),
        overturned_at = case when runs.outcome = 'verified' then clock_timestamp() end,
        recurrence = verdicts.recurrence
      from ops_internal.verdicts(p_application_ids) as verdicts
      where runs.application_id = verdicts.application_id
      returning runs.*
    ),

    events as (
      insert into ops.roman_events (event_type, severity, description, metadata)
      select
        case when decided.overturned_at is not null then 'verification_overturned' else 'fix_' || decided.outcome end,
        case when decided.outcome = 'failed' and decided.mode = 'live' then 'warning' else 'info' end,
        case decided.mode when 'shadow' then 'Without the fix: ' else '' end || decided.reason,
        jsonb_build_object(
          'pattern_id', decided.pattern_id, 'application_id', decided.application_id, 'mode', decided.mode,
          'fix_version', decided.fix_version, 'outcome', decided.outcome, 'recurrence', decided.recurrence
        )
      from decided
      order by decided.started_at
    )

    select coalesce(array_agg(decided.outcome), '{}') into outcomes from decided;
  end if;
  return outcomes;
end
$$;

comment on function ops_internal.judge_runs is
  'Decides those of these runs that can be decided now, or overturns them; answers the outcomes. The caller has locked the pattern.';

-- The share of runs that a fix helps at least: a quantile of a Beta distribution, for which Postgres has no function.

create function ops_internal.log_gamma(p_x double precision) returns double precision
language plpgsql immutable strict
set search_path = ''
as $$
declare
  x double precision := p_x;
  shift double precision := 0.0::double precision;
begin
  -- Stirling's series is exact to 1e-12 from 10 on; below it, gamma(x) = gamma(x + 1) / x leads there.
  while x < 10 loop
    shift := shift + ln(x);
    x := x + 1;
  end loop;
  return (x - 0.5) * ln(x) - x + ln(2 * pi()) / 2
    + 1 / (12 * x) - 1 / (360 * x ^ 3) + 1 / (1260 * x ^ 5) - 1 / (1680 * x ^ 7) - shift;
end
$$;

comment on function ops_internal.log_gamma is
  'The logarithm of the gamma function above 0; NIST Digital Library of Mathematical Functions, 5.11.1.';

create function ops_internal.beta_below(
  p_x double precision, p_a double precision, p_b double precision
) returns double precision
language plpgsql immutable strict
set search_path = ''
as $$
declare
  is_mirrored constant boolean := p_x > (p_a + 1) / (p_a + p_b + 2);
  x constant double precision := case when is_mirrored then 1 - p_x else p_x end;
  a constant double precision := case when is_mirrored then p_b else p_a end;
  b constant double precision := case when is_mirrored then p_a else p_b end;
  term double precision;
  numerators double precision := 1.0::double precision;
  denominators double precision := 0.0::double precision;
  fraction double precision := 1.0::double precision;
  m double precision := 0.0::double precision;
  below double precision;
begin
  -- The continued fraction 1 + d1 / (1 + d2 / (1 + …)) by the modified method of Lentz, two terms a turn.
  loop
    term := -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    numerators := 1 + term / numerators;
    denominators := 1 / (1 + term * denominators);
    fraction := fraction * numerators * denominators;
    m := m + 1;
    term := m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    numerators := 1 + term / numerators;
    denominators := 1 / (1 + term * denominators);
    fraction := fraction * numerators * denominators;
    exit when abs(numerators * denominators - 1) < 1e-12;
  end loop;
  below := exp(greatest(-600,
    ops_internal.log_gamma(a + b) - ops_internal.log_gamma(a) - ops_internal.log_gamma(b)
    + a * ln(x) + b * ln(1 - x)
  )) / a / fraction;
  return case when is_mirrored then 1 - below else below end;
end
$$;

comment on function ops_internal.beta_below is
  'How likely Beta(a, b) is below x, 0 < x < 1; NIST Digital Library of Mathematical Functions, 8.17.4 and 8.17.22.';

create function ops_internal.beta_lower_bound(
  p_verified double precision, p_failed double precision
) returns double precision
language plpgsql immutable strict
set search_path = ''
as $$
declare
  low double precision := 0.0::double precision;
  high double precision := 1.0::double precision;
  middle double precision;
begin
  if not (p_verified between 0 and 1e6 and p_failed between 0 and 1e6) then
    raise exception 'no bound of % verified, % failed', p_verified, p_failed
      using errcode = 'numeric_value_out_of_range';
  end if;
  while high - low > 1e-8 loop
    middle := (low + high) / 2;
    if ops_internal.beta_below(middle, 1 + p_verified, 1 + p_failed) < 0.05 then
      low := middle;
    else
      high := middle;
    end if;
  end loop;
  return (low + high) / 2;
end
$$;

comment on function ops_internal.beta_lower_bound is
  'The share of runs that end well with 95 % certainty: the 5 % quantile of Beta(1 + verified, 1 + failed), exact to 1e-8.';

create function ops_internal.recent_confidence(p_fix ops.pattern_fixes, p_strangers integer []) returns numeric
language sql
stable
set search_path = ''
as $$
  -- The table of the specification, Pattern Confidence Tuning.
  select case
    when avg(latest.verified) >= 0.90 then 0.95
    when avg(latest.verified) >= 0.75 then 0.85
    when avg(latest.verified) >= 0.60 then 0.70
    when avg(latest.verified) >= 0.50 then 0.60
    else 0.50
  end
  from (
    select (verifications.outcome = 'verified')::integer as verified
    from ops.pattern_verifications as verifications
    where verifications.pattern_id = p_fix.pattern_id
      and verifications.fix_version <> all(p_strangers)
      and verifications.mode = 'live'
      and verifications.outcome in ('verified', 'failed')
    order by verifications.started_at desc
    limit 10
  ) as latest
$$;

comment on function ops_internal.recent_confidence is
  'Confidence by the share of verified ones among the last ten decided outcomes of a fix in the course of time; p_strangers are the versions that are another fix.';

create function ops_internal.failures_in_a_row(p_fix ops.pattern_fixes) returns integer
language sql
stable
set search_path = ''
as $$
  select count(*)::integer
  from ops.pattern_verifications as failures
  where failures.pattern_id = p_fix.pattern_id
    and failures.fix_version = p_fix.version
    and failures.mode = 'live'
    and failures.outcome = 'failed'
    and failures.started_at >= p_fix.mode_changed_at
    and failures.started_at >= coalesce(
      (
        select max(helped.started_at)
        from ops.pattern_verifications as helped
        where helped.pattern_id = p_fix.pattern_id
          and helped.fix_version = p_fix.version
          and helped.mode = 'live'
          and helped.outcome = 'verified'
      ),
      '-infinity'
    )
$$;

comment on function ops_internal.failures_in_a_row is
  'Failed outcomes of a fix since its last verified one, and since it was last put in use.';

create function ops_internal.rate_fix(p_fix ops.pattern_fixes) returns ops.pattern_fixes
language plpgsql
set search_path = ''
as $$
declare
  others constant integer [] := ops_internal.strangers(p_fix.pattern_id, p_fix.version);
  fix ops.pattern_fixes := p_fix;
begin
  select
    coalesce(round(100.0 * sums.verified / nullif(sums.decided, 0), 2), 0),
    case
      when sums.weight_verified + sums.weight_failed > 0
        then round(ops_internal.beta_lower_bound(sums.weight_verified, sums.weight_failed)::numeric, 4)
    end,
    round((sums.weight_verified + sums.weight_failed)::numeric, 2)
  into fix.success_rate, fix.confidence_lower_bound, fix.confidence_outcomes
  from (
    select
      count(*) as decided,
      count(*) filter (where outcomes.is_verified) as verified,
      coalesce(sum(outcomes.weight) filter (where outcomes.is_of_fix and outcomes.is_verified), 0) as weight_verified,
      coalesce(sum(outcomes.weight) filter (where outcomes.is_of_fix and not outcomes.is_verified), 0) as weight_failed
    from (
      select
        verifications.outcome = 'verified' as is_verified,
        verifications.fix_version = p_fix.version as is_of_fix,
        -- An outcome of 30 days ago counts a half.
        0.5 ^ (extract(epoch from clock_timestamp() - verifications.started_at)::double precision / 2592000) as weight
      from ops.pattern_verifications as verifications
      where verifications.pattern_id = p_fix.pattern_id
        and verifications.fix_version <> all(others)
        and verifications.mode = 'live'
        and verifications.outcome in ('verified', 'failed')
    ) as outcomes
  ) as sums;
  fix.confidence_score := ops_internal.recent_confidence(p_fix, others);
  fix.consecutive_failures := ops_internal.failures_in_a_row(p_fix);

  fix.rated_at := clock_timestamp();

  update ops.pattern_fixes set
    rated_at = fix.rated_at,
    success_rate = fix.success_rate,
    confidence_score = fix.confidence_score,
    confidence_lower_bound = fix.confidence_lower_bound,
    confidence_outcomes = fix.confidence_outcomes,
    consecutive_failures = fix.consecutive_failures
  where pattern_fixes.id = fix.id;
  return fix;
end
$$;

comment on function ops_internal.rate_fix is
  'Computes success rate, confidence and failures in a row of a fix again, from all decided outcomes; answers it with these.';

create function ops_internal.break_circuit(p_fix ops.pattern_fixes, p_policy jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  failures constant integer := p_fix.consecutive_failures;
  has_helped constant boolean := exists (
    select from ops.pattern_verifications as verifications
    where verifications.pattern_id = p_fix.pattern_id
      and verifications.fix_version = p_fix.version
      and verifications.mode = 'live'
      and verifications.outcome = 'verified'
      and verifications.started_at >= p_fix.mode_changed_at
  );
  demote_after constant double precision := ops_internal.threshold(p_policy, 'demote_after');
  disable_after constant double precision := ops_internal.threshold(p_policy, 'disable_after');
  why constant text := format('%s failed outcomes in a row', failures);
begin
  if p_fix.disabled_at is not null or p_fix.mode <> 'live' then
    return;
  end if;
  if p_fix.is_on_probation and not has_helped then
    if failures >= greatest(disable_after - demote_after, 1) then
      perform ops_internal.switch_off(p_fix, null, why || ' after it was enabled again');
    end if;
  elsif failures >= demote_after then
    perform ops_internal.demote(p_fix, null, why);
  end if;
end
$$;

comment on function ops_internal.break_circuit is
  'Takes a fix out of use that failed too often in a row: it is demoted, or disabled if a person has enabled it since and it has not helped since. The fix was rated before.';

create function ops_internal.rate_pattern(p_pattern_id uuid) returns void
language plpgsql
set search_path = ''
as $$
declare
  shown constant integer := (ops_internal.shown_fix(p_pattern_id)).version;
  fix ops.pattern_fixes;
  -- The thresholds that the engine sent with the latest run.
  policy constant jsonb := (
    select verifications.policy
    from ops.pattern_verifications as verifications
    where verifications.pattern_id = p_pattern_id
    order by verifications.started_at desc
    limit 1
  );
begin
  if policy is null then
    return;
  end if;
  for fix in
    select fixes.*
    from ops.pattern_fixes as fixes
    where fixes.pattern_id = p_pattern_id and (fixes.disabled_at is null or fixes.version = shown)
    order by fixes.version
  loop
    perform ops_internal.break_circuit(ops_internal.rate_fix(fix), policy);
  end loop;
  perform ops_internal.show_figures(p_pattern_id);
end
$$;

comment on function ops_internal.rate_pattern is
  'Rates the fixes of a pattern by all that is known of their runs, and takes those out of use that fail. The caller has locked the pattern.';

create function ops_internal.judge_target(p_pattern_id uuid, p_target text, p_is_new_outcome boolean) returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  outcomes text [];
begin
  -- Of the runs for one target only the last few can be open: each run decides on those before it, and the job on the rest.
  outcomes := ops_internal.judge_runs(array(
    select latest.application_id
    from (
      select verifications.application_id, verifications.outcome, verifications.late_until
      from ops.pattern_verifications as verifications
      where verifications.pattern_id = p_pattern_id and verifications.target = p_target
      order by verifications.started_at desc
      limit 10
    ) as latest
    where latest.outcome = 'pending' or (latest.outcome = 'verified' and latest.late_until > clock_timestamp())
  ));
  if p_is_new_outcome
    or outcomes && array['verified', 'failed']
    -- Outcomes fade, so that a fix that they forbade may be tried again.
    or exists (
      select from ops.pattern_fixes as fixes
      where fixes.pattern_id = p_pattern_id
        and fixes.disabled_at is null
        and fixes.rated_at < clock_timestamp() - interval '1 hour'
    )
  then
    perform ops_internal.rate_pattern(p_pattern_id);
  end if;
end
$$;

comment on function ops_internal.judge_target is
  'Decides the latest runs of a pattern for one target that can be decided now, and rates the fixes of the pattern if there is anything new, or p_is_new_outcome says so. It costs the same whether few or very many runs are watched. The caller has locked the pattern.';

create function ops_internal.judge_pattern(p_pattern_id uuid) returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  outcomes text [];
begin
  perform from ops.error_patterns where error_patterns.pattern_id = p_pattern_id for no key update;
  outcomes := ops_internal.judge_runs(array(
    select watched.application_id from ops_internal.watched_runs() as watched where watched.pattern_id = p_pattern_id
  ));
  perform ops_internal.rate_pattern(p_pattern_id);
  return cardinality(outcomes);
end
$$;

comment on function ops_internal.judge_pattern is
  'Decides all runs of a pattern that can be decided now, rates its fixes, and takes those out of use that fail. Answers how many were decided.';

create function ops.verify_applications_v1() returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  pattern uuid;
  decided integer := 0;
begin
  perform ops_internal.require_engine();
  -- Only patterns of which something new is known, since each stays locked until the end; in the order in which all functions
  -- lock several patterns; and 500 at most, so that learning does not wait for long. The rest is decided a minute later.
  for pattern in
    select distinct verifications.pattern_id
    from ops_internal.verdicts(array(select watched.application_id from ops_internal.watched_runs() as watched)) as verdicts
    inner join ops.pattern_verifications as verifications on verifications.application_id = verdicts.application_id
    order by verifications.pattern_id
    limit 500
  loop
    begin
      decided := decided + ops_internal.judge_pattern(pattern);
    exception when others then
      raise warning 'pattern engine: pattern % was not judged: %', pattern, sqlerrm;
    end;
  end loop;
  return decided;
end
$$;

comment on function ops.verify_applications_v1 is
  'Decides every run that can be decided now: verified, failed or inconclusive; a late recurrence overturns a verified one. A cron job calls it every minute; answers how many were decided.';
