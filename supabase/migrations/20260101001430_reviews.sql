-- What a person reads before a decision on a fix: the page of a proposal, that of an approved version, and the form to
-- propose one.

create function ops_internal.reviewed_pattern(p_pattern ops.error_patterns) returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'pattern_id', p_pattern.pattern_id,
    'template', p_pattern.metadata ->> 'template',
    'symptom', p_pattern.metadata ->> 'symptom',
    'pattern_type', p_pattern.pattern_type,
    'severity', p_pattern.severity,
    'error_source', p_pattern.error_source,
    'status', p_pattern.status,
    'occurrence_count', p_pattern.occurrence_count,
    'untrusted_occurrences', p_pattern.untrusted_occurrences,
    'first_seen', p_pattern.first_seen,
    'last_seen', p_pattern.last_seen,
    'last_release', p_pattern.last_release,
    'example', (
      select left(logs.message, 10000)
      from ops.pattern_incidents as incidents
      inner join ops.system_logs as logs on logs.id = incidents.system_log_id
      where incidents.pattern_id = p_pattern.pattern_id
      order by incidents.occurred_at desc
      limit 1
    )
  )
$$;

comment on function ops_internal.reviewed_pattern is
  'What a reviewer has to know of a pattern, with the message of its latest error that is still in the log.';

create function ops_internal.reviewed_version(p_fix ops.pattern_fixes) returns jsonb
language sql
stable
set search_path = ''
as $$
  select to_jsonb(p_fix) - array['id'] || jsonb_build_object(
    'state', case when p_fix.disabled_at is null then p_fix.mode else 'disabled' end,
    'approved_by', ops_internal.person(p_fix.approved_by),
    'proposed_by', ops_internal.person(p_fix.proposed_by),
    'proposer', p_fix.proposed_by,
    'mode_changed_by', ops_internal.person(p_fix.mode_changed_by),
    'disabled_by', ops_internal.person(p_fix.disabled_by),
    'is_pinned', ops_internal.is_pinned(p_fix)
  )
  where p_fix.version is not null
$$;

comment on function ops_internal.reviewed_version is
  'An approved version with its state in one word and the people by their addresses; null for none.';

create function ops_internal.error_trend(p_pattern_id uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select jsonb_build_object(
    'last_hour', count(*) filter (where latest.occurred_at > now() - interval '1 hour'),
    'last_day', count(*) filter (where latest.occurred_at > now() - interval '1 day'),
    'day_before', count(*) filter (where latest.occurred_at <= now() - interval '1 day'),
    'is_cut', count(*) = 10000
  )
  from (
    select incidents.occurred_at
    from ops.pattern_incidents as incidents
    where incidents.pattern_id = p_pattern_id and incidents.counts and incidents.occurred_at > now() - interval '2 days'
    order by incidents.occurred_at desc
    limit 10000
  ) as latest
$$;

comment on function ops_internal.error_trend is
  'How many errors of a pattern there were in the last hour, the last day and the day before it, of the latest 10,000.';

create function ops_internal.fix_record(p_pattern_id uuid, p_guard jsonb) returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
  versions constant integer [] := array(
    select fixes.version
    from ops.pattern_fixes as fixes
    where fixes.pattern_id = p_pattern_id and ops_internal.guards_overlap(fixes.guard, p_guard)
    order by fixes.version
  );
begin
  return (
    with runs as materialized (
      select runs.outcome, runs.fix_version, runs.started_at, runs.reason, runs.application_id
      from ops.pattern_verifications as runs
      where runs.pattern_id = p_pattern_id and runs.mode = 'live' and runs.fix_version = any(versions)
      order by runs.started_at desc
      limit 1000
    ),

    sums as (
      select
        count(*) filter (where runs.outcome = 'verified') as verified,
        count(*) filter (where runs.outcome = 'failed') as failed,
        count(*) filter (where runs.outcome = 'inconclusive') as inconclusive,
        count(*) filter (where runs.outcome = 'pending') as pending
      from runs
    )

    select to_jsonb(sums) || jsonb_build_object(
      'versions', to_jsonb(versions),
      -- The upper bound of one outcome is what the lower bound of the other leaves.
      'lower_bound', case when sums.verified + sums.failed > 0 then round(ops_internal.beta_lower_bound(sums.verified, sums.failed)::numeric, 4) end,
      'upper_bound', case when sums.verified + sums.failed > 0 then round(1 - ops_internal.beta_lower_bound(sums.failed, sums.verified)::numeric, 4) end,
      'latest', (
        select coalesce(jsonb_agg(to_jsonb(five) order by five.started_at desc), '[]')
        from (select runs.* from runs where runs.outcome <> 'pending' order by runs.started_at desc limit 5) as five
      )
    )
    from sums
  );
end
$$;

comment on function ops_internal.fix_record is
  'What became of the latest 1,000 runs of all versions for errors that this guard admits: how many had which outcome, in which range the success rate lies with 90 % certainty if all count alike, and the last five decided.';

create function ops_internal.laws_before_approval(p_fix ops.pattern_fixes, p_policy jsonb) returns jsonb
language plpgsql
set search_path = ''
as $$
declare
  fix ops.pattern_fixes := p_fix;
begin
  -- As ops_internal.pin_fix and ops_internal.rate_fix set them for a new version.
  fix.version := coalesce((ops_internal.latest_fix(fix.pattern_id)).version, 0) + 1;
  fix.mode_changed_at := clock_timestamp();
  fix.consecutive_failures := 0;
  fix.confidence_outcomes := 0;
  fix.confidence_score := ops_internal.recent_confidence(
    fix,
    array(
      select others.version from ops.pattern_fixes as others
      where others.pattern_id = fix.pattern_id and not ops_internal.guards_overlap(others.guard, fix.guard)
    )
  );
  return ops_internal.order_parts(fix, p_policy)
    || ops_internal.proportion_parts(fix, null, p_policy)
    || ops_internal.rhythm_parts(fix, null, '', p_policy);
end
$$;

comment on function ops_internal.laws_before_approval is
  'The parts of the Four Laws that depend on earlier errors and runs, as they would be judged if this fix were approved and had to run now.';

create function ops_internal.deciders(p_without uuid) returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(people.email order by people.email), '[]')
  from (
    select ops_internal.person(operators.user_id) as email
    from ops.operators
    where operators.role = 'ops_admin' and operators.user_id is distinct from p_without
    limit 10
  ) as people
$$;

comment on function ops_internal.deciders is 'Addresses of at most ten administrators, without one of them.';

create function ops_internal.console_proposal(p_proposal_id uuid, p_policy jsonb, p_two_people boolean) returns jsonb
language plpgsql
security definer
set search_path = ''
set jit = off
as $$
declare
  proposal ops.fix_proposals;
  pattern ops.error_patterns;
  fix ops.pattern_fixes;
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  perform ops_internal.require_policy(p_policy);
  select * into proposal from ops.fix_proposals where fix_proposals.proposal_id = p_proposal_id;
  if not found then
    raise exception using
      errcode = 'PL027', message = format('there is no proposal %s', p_proposal_id), hint = 'The inbox lists those that are open.';
  end if;
  select * into pattern from ops.error_patterns where error_patterns.pattern_id = proposal.pattern_id;
  fix := ops_internal.with_guard(ops_internal.composed_fix(proposal.pattern_id, proposal.fix), proposal.guard);
  return jsonb_build_object(
    'proposal', to_jsonb(proposal) - 'id' || jsonb_build_object(
      'closed_because', ops_internal.closed_because(proposal),
      'author', ops_internal.person(proposal.proposed_by),
      'decider', ops_internal.person(proposal.decided_by),
      'is_as_proposed', fix.sha256 = proposal.sha256
    ),
    'limits', jsonb_build_object(
      'timeout_ms', fix.timeout_ms, 'max_retries', fix.max_retries, 'max_rows', fix.max_rows, 'target', fix.target,
      'trusted_writers', fix.trusted_writers, 'sha256', fix.sha256
    ),
    'pattern', ops_internal.reviewed_pattern(pattern),
    'trend', ops_internal.error_trend(pattern.pattern_id),
    'coverage', ops_internal.guard_coverage(pattern.pattern_id, fix.guard, fix.trusted_writers),
    'previous', (
      select ops_internal.reviewed_version(fixes)
      from ops.pattern_fixes as fixes
      where fixes.pattern_id = pattern.pattern_id
        and ops_internal.guards_overlap(fixes.guard, fix.guard)
        and (proposal.decision is distinct from 'approved' or fixes.proposal_id is distinct from proposal.proposal_id)
        and fixes.version <= case when proposal.decision is null then fixes.version else coalesce(proposal.based_on_version, 0) end
      order by fixes.version desc
      limit 1
    ),
    'approved_version', (
      select fixes.version from ops.pattern_fixes as fixes
      where fixes.pattern_id = pattern.pattern_id and fixes.proposal_id = proposal.proposal_id
    ),
    'latest_version', (ops_internal.latest_fix(pattern.pattern_id)).version,
    'record', ops_internal.fix_record(pattern.pattern_id, fix.guard),
    'parts', ops_internal.laws_before_approval(fix, p_policy),
    'window_seconds', extract(
      epoch from ops_internal.silence_window(pattern.pattern_id, p_policy, fix.guard, fix.trusted_writers)
    ),
    'deciders', ops_internal.deciders(case when p_two_people then proposal.proposed_by end)
  );
end
$$;

create function ops.console_proposal_v1(p_proposal_id uuid, p_policy jsonb, p_two_people boolean default false) returns jsonb
language sql set search_path = ''
as $$ select ops_internal.console_proposal(p_proposal_id, p_policy, p_two_people) $$;

comment on function ops.console_proposal_v1 is
  'Everything that a decision on a proposal rests on: the proposal, its pattern and trend, what is outside its guard, the version before it, the record, what the laws would say now, and how long a run will be watched. For operators of any role.';

create function ops_internal.console_fix(p_pattern_id uuid, p_version integer, p_policy jsonb) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  fix ops.pattern_fixes;
  pattern ops.error_patterns;
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  perform ops_internal.require_policy(p_policy);
  select * into fix from ops.pattern_fixes where pattern_fixes.pattern_id = p_pattern_id and pattern_fixes.version = p_version;
  if not found then
    raise exception using
      errcode = 'PL002', message = format('the pattern %s has no fix of version %s', p_pattern_id, p_version),
      hint = 'The page of the pattern lists the versions of its fix.';
  end if;
  select * into pattern from ops.error_patterns where error_patterns.pattern_id = p_pattern_id;
  return jsonb_build_object(
    'fix', ops_internal.reviewed_version(fix),
    'pattern', ops_internal.reviewed_pattern(pattern),
    'coverage', ops_internal.guard_coverage(
      p_pattern_id, ops_internal.whole_guard(p_pattern_id, fix.version, fix.guard), fix.trusted_writers
    ),
    'previous', (
      select ops_internal.reviewed_version(fixes)
      from ops.pattern_fixes as fixes
      where fixes.pattern_id = p_pattern_id and fixes.version < fix.version and ops_internal.guards_overlap(fixes.guard, fix.guard)
      order by fixes.version desc
      limit 1
    ),
    'versions', (
      select coalesce(jsonb_agg(to_jsonb(listed) order by listed.version desc), '[]')
      from (
        select others.version, case when others.disabled_at is null then others.mode else 'disabled' end as state
        from ops.pattern_fixes as others
        where others.pattern_id = p_pattern_id
        order by others.version desc
        limit 50
      ) as listed
    ),
    'record', ops_internal.fix_record(p_pattern_id, fix.guard),
    'window_seconds', extract(epoch from ops_internal.silence_window(p_pattern_id, p_policy, fix.guard, fix.trusted_writers)),
    'runs', (
      select coalesce(jsonb_agg(to_jsonb(latest) order by latest.claimed_at desc), '[]')
      from (
        select
          claims.application_id, claims.purpose, claims.claimed_at, claims.finished_at, claims.system_log_id,
          applications.success, applications.execution_time_ms, left(applications.error_after, 1000) as error_after,
          applications.system_state_after -> 'rows_touched' as rows_touched,
          verifications.outcome, verifications.due_at, verifications.reason
        from ops.pattern_claims as claims
        left join ops.pattern_applications as applications on applications.application_id = claims.application_id
        left join ops.pattern_verifications as verifications on verifications.application_id = claims.application_id
        where claims.pattern_id = p_pattern_id and claims.fix_version = p_version
        order by claims.claimed_at desc
        limit 10
      ) as latest
    )
  );
end
$$;

create function ops.console_fix_v1(p_pattern_id uuid, p_version integer, p_policy jsonb) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_fix(p_pattern_id, p_version, p_policy) $$;

comment on function ops.console_fix_v1 is
  'One approved version of a fix with its exact bytes, its state, the version before it, its record and its latest ten runs. For operators of any role; raises PL002 where there is none.';

create function ops_internal.console_propose(p_pattern_id uuid, p_from_pattern_id uuid, p_from_version integer) returns jsonb
language plpgsql
stable
security definer
set search_path = ''
set jit = off
as $$
declare
  pattern ops.error_patterns;
begin
  perform ops_internal.require_role(array['ops_viewer', 'ops_operator', 'ops_admin']);
  select * into pattern from ops.error_patterns where error_patterns.pattern_id = p_pattern_id;
  if not found then
    raise exception using
      errcode = 'PL002', message = format('there is no pattern %s', p_pattern_id), hint = 'The inbox lists the patterns.';
  end if;
  return jsonb_build_object(
    'pattern', ops_internal.reviewed_pattern(pattern),
    'seen', ops_internal.seen_tuples(p_pattern_id, array['service_role']),
    'causes', case when pattern.metadata ->> 'symptom' is not null then ops_internal.linked_patterns(p_pattern_id) -> 'causes' else '[]' end,
    'versions', (
      select coalesce(jsonb_agg(to_jsonb(listed) order by listed.version desc), '[]')
      from (
        select
          fixes.version, fixes.fix_type, fixes.success_rate, fixes.approved_at,
          case when fixes.disabled_at is null then fixes.mode else 'disabled' end as state
        from ops.pattern_fixes as fixes
        where fixes.pattern_id = p_pattern_id
        order by fixes.version desc
        limit 10
      ) as listed
    ),
    'open_proposals', (
      select coalesce(jsonb_agg(to_jsonb(listed) order by listed.proposed_at desc), '[]')
      from (
        select
          proposals.proposal_id, proposals.proposed_at, proposals.expires_at, proposals.sha256,
          ops_internal.person(proposals.proposed_by) as author
        from ops.fix_proposals as proposals
        where proposals.pattern_id = p_pattern_id and ops_internal.closed_because(proposals) is null
        order by proposals.id desc
        limit 5
      ) as listed
    ),
    'source', (
      select ops_internal.reviewed_version(fixes)
      from ops.pattern_fixes as fixes
      where fixes.pattern_id = p_from_pattern_id and fixes.version = p_from_version
    )
  );
end
$$;

create function ops.console_propose_v1(
  p_pattern_id uuid, p_from_pattern_id uuid default null, p_from_version integer default null
) returns jsonb
language sql stable set search_path = ''
as $$ select ops_internal.console_propose(p_pattern_id, p_from_pattern_id, p_from_version) $$;

comment on function ops.console_propose_v1 is
  'What the form to propose a fix starts from: the pattern, what its errors named, the causes of a symptom, earlier versions, open proposals, and under source the version that is copied. For operators of any role; raises PL002 where there is no such pattern.';
