-- Whether the error stopped after a run, how far a fix is trusted by its outcomes, and when it is taken out of use.

create function ops_internal.silence_window(p_pattern_id uuid, p_policy jsonb, p_guard jsonb default null) returns interval
language sql
stable
set search_path = ''
as $$
  with latest as (
    select incidents.occurred_at
    from (
      select stored.occurred_at, stored.identifiers
      from ops.pattern_incidents as stored
      where stored.pattern_id = p_pattern_id
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
  'How long an error that this guard admits has to stay away to be gone: three times its mean distance or the 95th percentile of its gaps, whichever is longer, within the policy''s bounds.';

create function ops_internal.open_verification(
  p_claim ops.pattern_claims, p_mode text, p_outcome text default 'pending', p_reason text default null
) returns void
language sql
security definer
set search_path = ''
as $$
  insert into ops.pattern_verifications (
    application_id, pattern_id, fix_version, mode, target, source, started_at, due_at, late_until, outcome, reason, decided_at, policy
  )
  select
    p_claim.application_id, p_claim.pattern_id, p_claim.fix_version, p_mode, p_claim.target, p_claim.source,
    clock.now, clock.now + clock.silence,
    clock.now + clock.silence + make_interval(secs => ops_internal.threshold(p_claim.policy, 'late_seconds')),
    p_outcome, p_reason, case when p_outcome <> 'pending' then clock.now end, p_claim.policy
  from (
    select
      clock_timestamp() as now,
      ops_internal.silence_window(p_claim.pattern_id, p_claim.policy, ops_internal.whole_guard(fixes.pattern_id, fixes.version, fixes.guard)) as silence
    from ops.pattern_fixes as fixes
    where fixes.pattern_id = p_claim.pattern_id and fixes.version = p_claim.fix_version
  ) as clock
$$;

comment on function ops_internal.open_verification is
  'Begins to watch whether the error of this run stays away, or records what is known of it already.';

create function ops_internal.first_recurrence(p_verification ops.pattern_verifications, p_from timestamptz, p_until timestamptz)
returns ops.pattern_incidents
language sql
stable
set search_path = ''
as $$
  -- If the pattern was merged since, perhaps more than once, its errors are counted for the one that it was merged into.
  with recursive path as (
    select patterns.pattern_id, patterns.merged_into
    from ops.error_patterns as patterns
    where patterns.pattern_id = p_verification.pattern_id
    union
    select patterns.pattern_id, patterns.merged_into
    from path
    inner join ops.error_patterns as patterns on patterns.pattern_id = path.merged_into
  )

  select firsts.*
  from path
  inner join ops.pattern_fixes as fixes
    on fixes.pattern_id = p_verification.pattern_id and fixes.version = p_verification.fix_version
  inner join ops.error_patterns as patterns on patterns.pattern_id = p_verification.pattern_id
  cross join lateral (select ops_internal.whole_guard(fixes.pattern_id, fixes.version, fixes.guard) as tuples) as guard
  -- Lateral, so that each pattern is looked up by index: the planner cannot know how few patterns a path has.
  cross join lateral (
    select incidents.*
    from ops.pattern_incidents as incidents
    inner join ops.system_logs as logs on logs.id = incidents.system_log_id
    inner join ops.pattern_signatures as signatures on signatures.signature = incidents.signature
    where incidents.pattern_id = path.pattern_id
      and incidents.occurred_at > p_from
      and incidents.occurred_at <= p_until
      -- Rows that may not fire the fix do not count against it. Otherwise anyone who writes logs could take it out of use.
      and logs.written_by = any(fixes.trusted_writers)
      and (
        signatures.created_at <= fixes.trusts_until
        or signatures.confirmed_at is not null
        or path.pattern_id <> p_verification.pattern_id
      )
      and (
        p_verification.target = ''
        or incidents.target = p_verification.target
        -- While the fix is out of use, errors are stored without a target.
        or (incidents.target is null and (fixes.disabled_at is not null or not patterns.auto_fix_enabled))
      )
      and ops_internal.guard_admits(guard.tuples, incidents.identifiers)
    order by incidents.occurred_at
    limit 1
  ) as firsts
  order by firsts.occurred_at
  limit 1
$$;

comment on function ops_internal.first_recurrence is
  'The first error of the same pattern and target in this time for which the fix could have run; null if there is none.';

create function ops_internal.has_traffic(p_verification ops.pattern_verifications, p_from timestamptz) returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from ops.system_logs as logs
    inner join ops.pattern_fixes as fixes
      on fixes.pattern_id = p_verification.pattern_id and fixes.version = p_verification.fix_version
    where logs.source is not distinct from p_verification.source
      and logs.created_at > p_from
      and logs.created_at <= p_verification.due_at
      -- Rows that may not fire the fix do not count for it either.
      and logs.written_by = any(fixes.trusted_writers)
  )
$$;

comment on function ops_internal.has_traffic is
  'Whether the source of the error logged anything from this time on until the error had stayed away long enough.';

create function ops_internal.verdict(
  in p_verification ops.pattern_verifications, out outcome text, out reason text, out recurrence bigint
)
language plpgsql
stable
set search_path = ''
as $$
declare
  -- How a time is written in a reason.
  second constant text := 'YYYY-MM-DD HH24:MI:SS "UTC"';
  settled constant timestamptz :=
    p_verification.started_at + make_interval(secs => ops_internal.threshold(p_verification.policy, 'settle_seconds'));
  is_superseded constant boolean := exists (
    select from ops.pattern_verifications as later
    where later.pattern_id = p_verification.pattern_id
      and later.target = p_verification.target
      and later.mode = p_verification.mode
      and later.started_at > p_verification.started_at
      -- A run of a fix for other errors says nothing about these.
      and later.fix_version <> all(ops_internal.strangers(p_verification.pattern_id, p_verification.fix_version))
  );
  incident ops.pattern_incidents;
begin
  if p_verification.outcome = 'pending' then
    incident := ops_internal.first_recurrence(p_verification, settled, p_verification.due_at);
  -- A late recurrence overturns the last of several verified runs. So does an error that happened before the run was
  -- verified and was learned afterwards.
  elsif p_verification.outcome = 'verified' and not is_superseded and p_verification.late_until > clock_timestamp() then
    incident := ops_internal.first_recurrence(p_verification, settled, p_verification.late_until);
  end if;

  if incident.id is not null then
    outcome := 'failed';
    recurrence := incident.system_log_id;
    reason := format(
      case p_verification.outcome when 'pending' then 'The error came back at %s' else 'The error came back late, at %s' end,
      to_char(incident.occurred_at at time zone 'UTC', second)
    );
  elsif p_verification.outcome <> 'pending' then
    return;
  elsif is_superseded then
    outcome := 'inconclusive';
    reason := 'Another run followed before anything was known';
  elsif clock_timestamp() < p_verification.due_at then
    return;
  -- Errors of a burst that was under way when the run ended do not prove that the source still works.
  elsif ops_internal.has_traffic(p_verification, settled) then
    outcome := 'verified';
    reason := format(
      'The error stayed away until the end of its window, %s', to_char(p_verification.due_at at time zone 'UTC', second)
    );
  else
    outcome := 'inconclusive';
    reason := format('%s logged nothing in that time, so it is not known whether the error stopped', coalesce(p_verification.source, 'The source'));
  end if;
end
$$;

comment on function ops_internal.verdict is
  'What can be said now of a run that is pending, or against one that is verified; null where there is nothing new.';

create function ops_internal.judge(p_verification ops.pattern_verifications) returns boolean
language plpgsql
set search_path = ''
as $$
declare
  verdict record;
begin
  select * into verdict from ops_internal.verdict(p_verification);
  if verdict.outcome is null then
    return false;
  end if;

  update ops.pattern_verifications set
    outcome = verdict.outcome,
    reason = verdict.reason,
    decided_at = clock_timestamp(),
    overturned_at = case when p_verification.outcome = 'verified' then clock_timestamp() end,
    recurrence = verdict.recurrence
  where pattern_verifications.application_id = p_verification.application_id;

  insert into ops.roman_events (event_type, severity, description, metadata)
  values (
    case when p_verification.outcome = 'verified' then 'verification_overturned' else 'fix_' || verdict.outcome end,
    case when verdict.outcome = 'failed' and p_verification.mode = 'live' then 'warning' else 'info' end,
    case p_verification.mode when 'shadow' then 'Without the fix: ' else '' end || verdict.reason,
    jsonb_build_object(
      'pattern_id', p_verification.pattern_id, 'application_id', p_verification.application_id, 'mode', p_verification.mode,
      'fix_version', p_verification.fix_version, 'outcome', verdict.outcome, 'recurrence', verdict.recurrence
    )
  );
  return true;
end
$$;

comment on function ops_internal.judge is
  'Decides one run if it can be decided now, or overturns it; answers whether anything changed. The caller has locked the row.';

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
    and not exists (
      select from ops.pattern_verifications as later
      where later.pattern_id = failures.pattern_id
        and later.fix_version = failures.fix_version
        and later.mode = 'live'
        and later.outcome = 'verified'
        and later.started_at > failures.started_at
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

  -- Seldom is any of them another one.
  update ops.pattern_fixes set
    success_rate = fix.success_rate,
    confidence_score = fix.confidence_score,
    confidence_lower_bound = fix.confidence_lower_bound,
    confidence_outcomes = fix.confidence_outcomes,
    consecutive_failures = fix.consecutive_failures
  where pattern_fixes.id = fix.id
    and (
      pattern_fixes.success_rate, pattern_fixes.confidence_score, pattern_fixes.confidence_lower_bound,
      pattern_fixes.confidence_outcomes, pattern_fixes.consecutive_failures
    ) is distinct from (
      fix.success_rate, fix.confidence_score, fix.confidence_lower_bound, fix.confidence_outcomes, fix.consecutive_failures
    );
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

create function ops_internal.judge_pattern(p_pattern_id uuid) returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  verification ops.pattern_verifications;
  decided integer := 0;
  fix ops.pattern_fixes;
  policy jsonb;
begin
  perform from ops.error_patterns where error_patterns.pattern_id = p_pattern_id for no key update;
  for verification in
    select verifications.*
    from ops.pattern_verifications as verifications
    where verifications.pattern_id = p_pattern_id
      and (
        verifications.outcome = 'pending' or (verifications.outcome = 'verified' and verifications.late_until > clock_timestamp())
      )
    order by verifications.started_at
    for update
  loop
    if ops_internal.judge(verification) then
      decided := decided + 1;
    end if;
  end loop;

  -- The thresholds that the engine sent with the latest run.
  select verifications.policy into policy
  from ops.pattern_verifications as verifications
  where verifications.pattern_id = p_pattern_id
  order by verifications.started_at desc
  limit 1;
  if policy is not null then
    for fix in
      select fixes.*
      from ops.pattern_fixes as fixes
      where fixes.pattern_id = p_pattern_id
        and (fixes.disabled_at is null or fixes.version = (ops_internal.shown_fix(p_pattern_id)).version)
      order by fixes.version
    loop
      perform ops_internal.break_circuit(ops_internal.rate_fix(fix), policy);
    end loop;
    perform ops_internal.show_figures(p_pattern_id);
  end if;
  return decided;
end
$$;

comment on function ops_internal.judge_pattern is
  'Decides the runs of a pattern that can be decided now, rates its fixes, and takes those out of use that fail. Answers how many were decided.';

create function ops.verify_applications_v1() returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  -- A variable, so that an index can be searched for what is later.
  moment constant timestamptz := clock_timestamp();
  pattern uuid;
  decided integer := 0;
begin
  -- Only patterns of which something new is known, since each stays locked until the end; in the order in which all functions
  -- lock several patterns; and 500 at most, so that learning does not wait for long. The rest is decided a minute later.
  for pattern in
    select distinct verifications.pattern_id
    from ops.pattern_verifications as verifications
    cross join lateral ops_internal.verdict(verifications) as verdict
    where (verifications.outcome = 'pending' or (verifications.outcome = 'verified' and verifications.late_until > moment))
      and verdict.outcome is not null
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
