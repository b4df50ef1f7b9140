-- Whether the error stopped: what a run is judged by, what follows for the fix, and when it is taken out of use.

create function ops_internal.silence_window(p_pattern_id uuid, p_policy jsonb) returns interval
language sql
stable
set search_path = ''
as $$
  with latest as (
    select incidents.occurred_at
    from ops.pattern_incidents as incidents
    where incidents.pattern_id = p_pattern_id
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
      greatest(needed.seconds, ops_internal.threshold(p_policy, 'least_window_seconds')),
      ops_internal.threshold(p_policy, 'most_window_seconds')
    )
  )
  from needed
$$;

comment on function ops_internal.silence_window(uuid, jsonb) is
  'How long an error has to stay away to be gone: three times its mean distance or the 95th percentile of its gaps, whichever is longer, within the policy''s bounds.';

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
    select clock_timestamp() as now, ops_internal.silence_window(p_claim.pattern_id, p_claim.policy) as silence
  ) as clock
$$;

comment on function ops_internal.open_verification(ops.pattern_claims, text, text, text) is
  'Begins to watch whether the error of this run stays away, or records what is known of it already.';

create function ops_internal.first_recurrence(p_verification ops.pattern_verifications, p_from timestamptz, p_until timestamptz)
returns ops.pattern_incidents
language sql
stable
set search_path = ''
as $$
  -- Merged since, perhaps more than once, its errors are counted where it went.
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
  -- Each by its index: how few patterns a path has, the planner does not see.
  cross join lateral (
    select incidents.*
    from ops.pattern_incidents as incidents
    inner join ops.system_logs as logs on logs.id = incidents.system_log_id
    inner join ops.pattern_signatures as signatures on signatures.signature = incidents.signature
    where incidents.pattern_id = path.pattern_id
      and incidents.occurred_at > p_from
      and incidents.occurred_at <= p_until
      -- What could not fire the fix says nothing of it, or anybody could have it taken out of use.
      and logs.written_by = any(fixes.trusted_writers)
      and (
        signatures.created_at <= fixes.trusts_until
        or signatures.confirmed_at is not null
        or path.pattern_id <> p_verification.pattern_id
      )
      and (
        p_verification.target = ''
        or incidents.target = p_verification.target
        -- While the fix is out of use nobody looks which target an error has.
        or (incidents.target is null and not patterns.auto_fix_enabled)
      )
    order by incidents.occurred_at
    limit 1
  ) as firsts
  order by firsts.occurred_at
  limit 1
$$;

comment on function ops_internal.first_recurrence(ops.pattern_verifications, timestamptz, timestamptz) is
  'The first error of the same pattern, and target, in this time, of those that could have fired the fix; null without one.';

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
      -- Whoever may not fire the fix may not vouch for it either.
      and logs.written_by = any(fixes.trusted_writers)
  )
$$;

comment on function ops_internal.has_traffic(ops.pattern_verifications, timestamptz) is
  'Whether the source of the error wrote anything at all from this time on, while it had to stay away.';

create function ops_internal.verdict(
  in p_verification ops.pattern_verifications, out outcome text, out reason text, out recurrence bigint
)
language plpgsql
stable
set search_path = ''
as $$
declare
  -- How a moment is told.
  second constant text := 'YYYY-MM-DD HH24:MI:SS "UTC"';
  settled constant timestamptz :=
    p_verification.started_at + make_interval(secs => ops_internal.threshold(p_verification.policy, 'settle_seconds'));
  is_superseded constant boolean := exists (
    select from ops.pattern_verifications as later
    where later.pattern_id = p_verification.pattern_id
      and later.target = p_verification.target
      and later.mode = p_verification.mode
      and later.started_at > p_verification.started_at
  );
  incident ops.pattern_incidents;
begin
  if p_verification.outcome = 'pending' then
    incident := ops_internal.first_recurrence(p_verification, settled, p_verification.due_at);
  -- Of several verified ones the last is what a late recurrence speaks against. One that happened before it was
  -- verified, and was learned afterwards, does so too.
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
  -- The last errors of a burst that was under way are no sign of life either.
  elsif ops_internal.has_traffic(p_verification, settled) then
    outcome := 'verified';
    reason := format(
      'The error stayed away until the end of its window, %s', to_char(p_verification.due_at at time zone 'UTC', second)
    );
  else
    outcome := 'inconclusive';
    reason := format('Nothing at all came from %s: no traffic, no proof', coalesce(p_verification.source, 'its source'));
  end if;
end
$$;

comment on function ops_internal.verdict(ops.pattern_verifications) is
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

comment on function ops_internal.judge(ops.pattern_verifications) is
  'Decides one run if it can be decided now, or overturns it; answers whether anything changed. Its caller has locked the row.';

create function ops_internal.recent_confidence(p_pattern_id uuid) returns numeric
language sql
stable
set search_path = ''
as $$
  -- The same table as confidence.py.
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
    where verifications.pattern_id = p_pattern_id
      and verifications.mode = 'live'
      and verifications.outcome in ('verified', 'failed')
    order by verifications.started_at desc
    limit 10
  ) as latest
$$;

comment on function ops_internal.recent_confidence(uuid) is 'Confidence by the share of verified ones among the last ten decided outcomes.';

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

comment on function ops_internal.failures_in_a_row(ops.pattern_fixes) is 'Failed outcomes of a fix since its last verified one, and since it was last put in use.';

create function ops_internal.rate_pattern(p_pattern_id uuid, p_fix ops.pattern_fixes) returns void
language sql
set search_path = ''
as $$
  with outcomes as (
    select
      verifications.outcome = 'verified' as is_verified,
      verifications.fix_version = p_fix.version as is_of_fix,
      -- An outcome of 30 days ago counts a half.
      0.5 ^ (extract(epoch from clock_timestamp() - verifications.started_at)::double precision / 2592000) as weight
    from ops.pattern_verifications as verifications
    where verifications.pattern_id = p_pattern_id
      and verifications.mode = 'live'
      and verifications.outcome in ('verified', 'failed')
  ),

  sums as (
    select
      count(*) as decided,
      count(*) filter (where outcomes.is_verified) as verified,
      coalesce(sum(outcomes.weight) filter (where outcomes.is_of_fix and outcomes.is_verified), 0) as weight_verified,
      coalesce(sum(outcomes.weight) filter (where outcomes.is_of_fix and not outcomes.is_verified), 0) as weight_failed
    from outcomes
  )

  update ops.error_patterns set
    success_rate = coalesce(round(100.0 * sums.verified / nullif(sums.decided, 0), 2), 0),
    confidence_score = ops_internal.recent_confidence(p_pattern_id),
    confidence_lower_bound = case
      when sums.weight_verified + sums.weight_failed > 0
        then ops_internal.beta_lower_bound(sums.weight_verified, sums.weight_failed)
    end,
    confidence_outcomes = round((sums.weight_verified + sums.weight_failed)::numeric, 2),
    consecutive_failures = ops_internal.failures_in_a_row(p_fix)
  from sums
  where error_patterns.pattern_id = p_pattern_id
$$;

comment on function ops_internal.rate_pattern(uuid, ops.pattern_fixes) is
  'Works out anew how often the error stopped, and how far the latest fix is trusted, from all that was decided.';

create function ops_internal.break_circuit(p_fix ops.pattern_fixes, p_policy jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
  failures constant integer := (
    select patterns.consecutive_failures from ops.error_patterns as patterns where patterns.pattern_id = p_fix.pattern_id
  );
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
      perform ops_internal.switch_off(p_fix, null, why || ' after it was put back in use');
    end if;
  elsif failures >= demote_after then
    perform ops_internal.demote(p_fix, null, why);
  end if;
end
$$;

comment on function ops_internal.break_circuit(ops.pattern_fixes, jsonb) is
  'Takes a fix out of use that failed too often in a row: demoted at first, disabled if it fails again after a person put it back and before it helped. Goes by the count that rating left with the pattern.';

create function ops_internal.demote(p_fix ops.pattern_fixes, p_person uuid, p_reason text) returns void
language plpgsql
set search_path = ''
as $$
declare
  signature text;
begin
  update ops.pattern_fixes set
    mode = 'demoted',
    mode_changed_at = clock_timestamp(),
    mode_changed_by = p_person,
    mode_reason = p_reason
  where pattern_fixes.id = p_fix.id;

  update ops.error_patterns set auto_fix_enabled = false
  where error_patterns.pattern_id = p_fix.pattern_id
  returning pattern_signature into signature;

  insert into ops.roman_events (event_type, severity, description, actor, metadata)
  values (
    'fix_demoted', 'warning', 'A fix waits for a person: ' || signature, p_person,
    jsonb_build_object('pattern_id', p_fix.pattern_id, 'version', p_fix.version, 'reason', p_reason)
  );
end
$$;

comment on function ops_internal.demote(ops.pattern_fixes, uuid, text) is
  'Has a fix wait for a person, who may enable it again. Its caller has locked the pattern.';

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

  -- By what the engine was told when it last ran or rehearsed the fix.
  select verifications.policy into policy
  from ops.pattern_verifications as verifications
  where verifications.pattern_id = p_pattern_id
  order by verifications.started_at desc
  limit 1;
  if policy is not null then
    fix := ops_internal.latest_fix(p_pattern_id);
    perform ops_internal.rate_pattern(p_pattern_id, fix);
    perform ops_internal.break_circuit(fix, policy);
  end if;
  return decided;
end
$$;

comment on function ops_internal.judge_pattern(uuid) is
  'Decides the runs of a pattern that can be decided now, rates its fix, and takes it out of use where it fails. Answers how many were decided.';

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
  -- Those alone of which something new is known, since each is locked until the end; in the order in which everyone locks
  -- several patterns; and so many that learning never waits for long. The rest a minute later.
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

comment on function ops.verify_applications_v1() is
  'Decides every run that can be decided now: verified, failed or inconclusive; a late recurrence overturns a verified one. A cron job calls it every minute; answers how many were decided.';

create function ops_internal.dead_claims() returns setof ops.pattern_claims
language sql
stable
set search_path = ''
as $$
  select claims.*
  from ops.pattern_claims as claims
  inner join ops.pattern_fixes as fixes on fixes.pattern_id = claims.pattern_id and fixes.version = claims.fix_version
  where claims.finished_at is null
    -- Of SQL nothing was kept: where there is a log row the sweep sends it again, and the claim is taken over.
    and claims.lease_until < clock_timestamp() - case
      when fixes.fix_type = 'sql' and claims.purpose = 'heal' and claims.system_log_id is not null then interval '5 minutes'
      else interval '0'
    end
  order by claims.pattern_id, claims.claimed_at
  limit 500
$$;

comment on function ops_internal.dead_claims() is 'Claims whose worker is taken to be dead, and that nobody will take over; 500 of them at most.';

create function ops.recover_applications_v1() returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  dead ops.pattern_claims;
  claim ops.pattern_claims;
  recovered integer := 0;
begin
  for dead in select * from ops_internal.dead_claims() loop
    -- The pattern first, as everyone does; a run under way holds its claim.
    perform from ops.error_patterns where error_patterns.pattern_id = dead.pattern_id for no key update;
    select claims.* into claim
    from ops.pattern_claims as claims
    where claims.application_id = dead.application_id and claims.finished_at is null and claims.lease_until = dead.lease_until
    for update skip locked;
    continue when not found;

    begin
      perform ops_internal.record_application(
        claim,
        jsonb_build_object(
          'success', false, 'started', false, 'execution_time_ms', null,
          'error', 'Its worker ended without a word: whether the script ran is not known'
        )
      );
      recovered := recovered + 1;
    exception when others then
      raise warning 'pattern engine: application % was not recovered: %', claim.application_id, sqlerrm;
    end;
  end loop;
  return recovered;
end
$$;

comment on function ops.recover_applications_v1() is
  'Ends the claims whose worker died, as inconclusive. A cron job calls it every minute; answers how many there were.';

revoke all on function
  ops_internal.silence_window(uuid, jsonb),
  ops_internal.open_verification(ops.pattern_claims, text, text, text),
  ops_internal.first_recurrence(ops.pattern_verifications, timestamptz, timestamptz),
  ops_internal.has_traffic(ops.pattern_verifications, timestamptz),
  ops_internal.verdict(ops.pattern_verifications),
  ops_internal.judge(ops.pattern_verifications),
  ops_internal.recent_confidence(uuid),
  ops_internal.failures_in_a_row(ops.pattern_fixes),
  ops_internal.rate_pattern(uuid, ops.pattern_fixes),
  ops_internal.break_circuit(ops.pattern_fixes, jsonb),
  ops_internal.demote(ops.pattern_fixes, uuid, text),
  ops_internal.judge_pattern(uuid),
  ops.verify_applications_v1(),
  ops_internal.dead_claims(),
  ops.recover_applications_v1()
from public, anon, authenticated, service_role;
grant execute on function
  ops_internal.open_verification(ops.pattern_claims, text, text, text),
  ops_internal.judge_pattern(uuid),
  ops.verify_applications_v1(),
  ops.recover_applications_v1()
to service_role;
